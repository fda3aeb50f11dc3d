"""The messages of an app's run as rounds: each has its replies, and the means of what they measured.

A round is what the app's configuration calls one (``server-round``), else the number of the message's group, else the
next wave of messages of that phase. Means are weighted by examples, as FedAvg weights them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from federation.aggregation.round_aggregation import mean_metrics
from federation.apps.happenings import Answered, Happening, Reported, Sent
from federation.run.config import MAX_ROUNDS
from federation.run.events import Event, Metrics, Phase, ReplyRecorded, RoundDone, RoundRefused, ServerEvaluated

PHASES: dict[str, Phase] = {"train": "train", "evaluate": "evaluate"}
"""Flower's types of messages that are rounds; ``query`` is not recorded."""


@dataclass(slots=True)
class _Task:
    """A message to a client in the present round. ``attempt``: its number among those to it in the phase."""

    client_id: int
    phase: Phase
    attempt: int
    prefix: str
    answer: Answered | None = None

    def metrics_of(self, answer: Answered) -> Metrics:
        """Return the metrics of an answer under the names that the run has for them."""
        return {f"{self.prefix}{name}": value for name, value in answer.metrics.items()}


@dataclass(slots=True)
class _Round:
    number: int
    begun: float
    tasks: dict[str, _Task] = field(default_factory=dict)
    spans: dict[Phase, tuple[float, float]] = field(default_factory=dict)
    """Phase -> its first message and its last answer."""


class AppRounds:
    """Takes what happens in a run, in its order, and records replies and rounds. For the run's thread.

    ``clients`` returns node id -> client id of the nodes that have been seen.
    """

    def __init__(self, run_id: int, clients: Callable[[], Mapping[int, int]], record: Callable[[Event], None]) -> None:
        self._run_id, self._clients, self._record = run_id, clients, record
        self._known: dict[int, int] = {}
        self._round: _Round | None = None
        self._committed = 0
        self._waves: dict[Phase, int] = {}
        self._total: int | None = None
        self._server_metrics: dict[int, Metrics] = {}

    @property
    def waiting_for(self) -> int:
        """How many replies of the present round have not come."""
        return sum(task.answer is None for task in self._round.tasks.values()) if self._round is not None else 0

    def take(self, one: Happening) -> None:
        """Take what has happened."""
        if isinstance(one, Sent):
            self._take_message(one)
        elif isinstance(one, Answered):
            self._take_answer(one)
        else:
            self._take_report(one)

    def finish(self) -> None:
        """Record the round that is under way: the app has ended."""
        self._commit()

    def _take_report(self, said: Reported) -> None:
        if said.rounds is not None:
            self._total = min(max(said.rounds, said.round), MAX_ROUNDS)
        if said.metrics and said.round >= 0:
            self._server_metrics[said.round] = said.metrics
            self._tell_server_metrics()

    def _take_message(self, sent: Sent) -> None:
        kind, _, action = sent.kind.partition(".")
        phase = PHASES.get(kind)
        self._known.update(self._clients())
        client_id = self._known.get(sent.node_id)
        if phase is None or client_id is None:
            return
        number = self._number_of(sent, phase)
        if self._round is not None and number > self._round.number:
            self._commit()
        if number <= self._committed or number > MAX_ROUNDS:
            return
        if self._round is None:
            self._round = _Round(number, sent.at)
        tasks = self._round.tasks
        attempt = 1 + sum((one.client_id, one.phase) == (client_id, phase) for one in tasks.values())
        tasks[sent.message_id] = _Task(client_id, phase, attempt, f"{action}/" if action else "")
        self._round.spans.setdefault(phase, (sent.at, sent.at))

    def _number_of(self, sent: Sent, phase: Phase) -> int:
        if sent.round is not None:
            return sent.round
        if sent.group.isascii() and sent.group.isdigit() and len(sent.group) < 10:
            return int(sent.group)
        open_ = self._round is not None and any(
            one.phase == phase and one.answer is None for one in self._round.tasks.values()
        )
        if not open_:
            self._waves[phase] = self._waves.get(phase, 0) + 1
        return max(self._waves[phase], 1)

    def _take_answer(self, answer: Answered) -> None:
        if self._round is None or (task := self._round.tasks.get(answer.message_id)) is None:
            return
        task.answer, began = answer, self._round.spans[task.phase][0]
        self._round.spans[task.phase] = (began, answer.at)
        self._record(ReplyRecorded(
            self._run_id, self._round.number, task.attempt, task.phase, task.client_id,
            "failed" if answer.error is not None else "accepted", answer.error, _examples(answer.num_examples),
            answer.seconds, None, answer.at - began, answer.bytes_down, answer.bytes_up,
            task.metrics_of(answer),
        ))  # fmt: skip

    def _commit(self) -> None:
        """Record the present round, where it has an answer; messages without one count as lost."""
        done, self._round = self._round, None
        if done is None:
            return
        for task in done.tasks.values():
            if task.answer is None:
                self._record(ReplyRecorded(
                    self._run_id, done.number, task.attempt, task.phase, task.client_id, "lost",
                    "the app went on without an answer",
                ))  # fmt: skip
        try:
            self._record(self._done(done))
            self._committed = done.number
            self._tell_server_metrics()
        except RoundRefused:
            return

    def _done(self, done: _Round) -> RoundDone:
        seconds = {phase: last - first for phase, (first, last) in done.spans.items()}
        end = max(last for _, last in done.spans.values())
        train, evaluate = (_mean(done, phase) for phase in ("train", "evaluate"))
        return RoundDone(
            self._run_id, done.number, 1, end - done.begun, seconds.get("train", 0.0), 0.0,
            seconds.get("evaluate", 0.0), train, evaluate, None, is_evaluated="evaluate" in done.spans,
            num_rounds=max(self._total or 0, done.number),
        )  # fmt: skip

    def _tell_server_metrics(self) -> None:
        for number in [one for one in self._server_metrics if one <= self._committed]:
            metrics = self._server_metrics.pop(number)
            if number > 0:
                self._record(ServerEvaluated(self._run_id, number, metrics, 0))


def _examples(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**53 else None


def _mean(done: _Round, phase: str) -> Metrics:
    """Return the mean of each metric over the answers of a phase's first wave, weighted by their examples."""
    return mean_metrics(
        (task.metrics_of(task.answer), _examples(task.answer.num_examples) or 1)
        for task in done.tasks.values() if task.answer is not None and task.phase == phase and task.attempt == 1
    )  # fmt: skip
