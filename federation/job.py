"""The loop of one run: prepare, evaluate the initial weights, then round by round to the last one."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from federation.checkpoints import CheckpointDamaged, Checkpoints
from federation.checks import refuse_not_finite
from federation.config import RunConfig
from federation.control import Control, RunInterrupted, RunStopped
from federation.events import AttemptFailed, Blocked, Checkpoint, Event, Metrics, RoundDone
from federation.exchange import Content, Member, Reply
from federation.initial import NetworkNotBuilt, initial_weights
from federation.party import Party
from federation.rounds import Ground, PhaseRun, Place
from federation.states import RunState
from federation.strategy import RunStrategy, Trial, UnusableAggregate
from federation.stream import StreamLane
from federation.wire import content_id

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""So many failed attempts at one round in a row fail the run."""

NEWCOMER_SECONDS = 5.0
"""Before round 0, clients that are still preparing are waited for this long once the quorum is there."""

Buffer = bytes | bytearray | memoryview


class RunFailed(Exception):
    """The run cannot go on; the sentence says why."""


class AttemptGaveUp(Exception):
    """This attempt commits nothing; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to work on. ``committed`` is the last committed round, -1 before round 0; ``resume`` has its weights."""

    run_id: int
    config: RunConfig
    num_rounds: int
    committed: int = -1
    resume: Checkpoint | None = None
    excluded: frozenset[int] = frozenset()


class Ledger(Protocol):
    """Whoever keeps the runs. Each call is one transaction at most."""

    def next_queued(self) -> Job | None:
        """Return the queued run that is to start next."""

    def move(self, run_id: int, to: RunState, reason: str | None = None, by: str | None = None) -> bool:
        """Move a run to a state, where its present state allows it; False changes nothing."""

    def record(self, event: Event) -> None:
        """Keep an event; replies may be held back until ``flush`` or the round's end."""

    def flush(self) -> None:
        """Write what is held back."""


class RunLoop:
    """Works one job to its end. ``run`` returns the state that the run ends in and the reason."""

    def __init__(self, job: Job, *, lane: StreamLane, ledger: Ledger, folder: Path, control: Control) -> None:
        self._job, self._lane, self._ledger, self._control = job, lane, ledger, control
        self._folder, self._networks = folder / str(job.run_id), folder.parent / "networks"
        self._ground = Ground(lane, control, ledger.record, ledger.flush)
        self._config = job.config
        self._task_config = job.config.model_dump(exclude={"clients", "name"}, exclude_none=True)
        self._committed = job.committed
        self._state = RunState.WAITING
        self._failures = 0

    def run(self) -> tuple[RunState, str | None]:
        """Do all rounds; whatever ends the run, its committed rounds stand."""
        self._lane.watch(self._control.wake)
        try:
            self._begin()
            while self._committed < self._job.num_rounds:
                self._work(self._committed + 1)
            return RunState.COMPLETED, None
        except RunStopped:
            return RunState.STOPPED, None
        except RunInterrupted:
            return RunState.INTERRUPTED, "the server was stopped"
        except (RunFailed, NetworkNotBuilt, CheckpointDamaged) as error:
            return RunState.FAILED, str(error)
        finally:
            self._lane.unwatch(self._control.wake)
            self._ledger.flush()

    # -- before the first round ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._checkpoints = Checkpoints(self._folder)
        self._weights: Buffer
        if self._job.resume is not None:
            self._layout = self._checkpoints.read_layout()
            self._weights, state = self._checkpoints.read(self._committed, self._job.resume, content_id)
        else:
            self._block("prepare", f"The network {self._config.network} is being built", 180.0)
            self._layout, self._weights = initial_weights(self._config, self._networks, self._control.sleep)
            self._checkpoints.write_layout(self._layout)
            state = {}
        self._strategy = RunStrategy(self._config, self._layout)
        self._strategy.restore(state)
        self._content: Content | None = None
        self._party = Party(self._job.run_id, self._config, self._layout, self._ground, self._job.excluded)
        self._ground.stray = self._party.hear

    # -- a round ------------------------------------------------------------------------------------------------------

    def _work(self, number: int) -> None:
        """Try a round; a third failure in a row fails the run."""
        ready = self._wait_for_quorum(number)
        try:
            if number == 0:
                self._evaluate_only(ready)
            else:
                self._attempt(number, ready)
            self._failures = 0
        except AttemptGaveUp as error:
            self._failures += 1
            self._ledger.record(AttemptFailed(self._job.run_id, number, self._failures, str(error)))
            if self._failures >= ATTEMPTS:
                raise RunFailed(f"{ATTEMPTS} attempts at round {number} in a row failed, the last: {error}") from error

    def _attempt(self, number: int, ready: dict[int, Member]) -> None:
        started = time.monotonic()
        chosen = self._party.choose(ready, number, self._failures)
        trial, extra = self._strategy.try_round(number, self._weights, list(chosen))
        train = self._phase(number, "train", chosen, lambda reply, flats, examples, metrics: self._strategy.add(
            trial, reply.client_id, flats, examples, metrics))  # fmt: skip
        train.start(self._configs(number, extra), self._outgoing())
        train.collect()
        trained = time.monotonic()
        weights, train_metrics = self._aggregate(trial, len(train.accepted))
        aggregated = time.monotonic()
        self._weights, self._content = weights, None
        self._strategy.commit(trial)
        self._finish(number, started, trained, aggregated, train_metrics)

    def _evaluate_only(self, ready: dict[int, Member]) -> None:
        now = time.monotonic()
        self._finish(0, now, now, now, {}, ready)

    def _aggregate(self, trial: Trial, accepted: int) -> tuple[Buffer, Metrics]:
        if accepted < self._config.min_clients:
            raise AttemptGaveUp(f"{accepted} of the {self._config.min_clients} replies it needs")
        try:
            weights, metrics = self._strategy.aggregate(trial)
        except UnusableAggregate as error:
            raise AttemptGaveUp(str(error)) from error
        if (refusal := refuse_not_finite(self._layout.flats(weights))) is not None:
            raise AttemptGaveUp(f"the aggregate is of no use: {refusal}")
        return weights, metrics

    def _finish(self, number: int, started: float, trained: float, aggregated: float, train_metrics: Metrics,
                ready: dict[int, Member] | None = None) -> None:  # fmt: skip
        """Evaluate the new weights, write them down meanwhile, and commit the round."""
        ready = ready or self._party.ready()
        evaluate = self._phase(number, "evaluate", ready)
        if ready:
            extra = self._strategy.evaluate_configs(number, list(ready))
            evaluate.start(self._configs(number, extra), self._outgoing())
        checkpoint = self._write_checkpoint(number)
        if ready:
            evaluate.collect()
        metrics = self._strategy.aggregate_metrics(evaluate.accepted, evaluate=True)
        now = time.monotonic()
        self._ledger.record(RoundDone(
            self._job.run_id, number, self._failures, now - started, trained - started, aggregated - trained,
            now - aggregated, train_metrics, metrics, checkpoint,
        ))  # fmt: skip
        self._committed = number
        self._checkpoints.keep({number, number - 1})

    def _write_checkpoint(self, number: int) -> Checkpoint:
        """Write the weights; where the disk has no room, say so and wait for some."""
        while True:
            try:
                return self._checkpoints.write(number, self._weights, self._strategy.state())
            except OSError as error:
                log.warning("checkpoint of run %s, round %s: %s", self._job.run_id, number, error)
                self._block("storage", f"The weights of round {number} cannot be written: {error.strerror}", None)
                self._control.sleep(1.0)
                self._unblock()

    # -- parts of a round ---------------------------------------------------------------------------------------------

    def _phase(
        self, number: int, phase: Any, members: dict[int, Member], take: Callable[..., None] | None = None
    ) -> PhaseRun:
        place = Place(self._job.run_id, number, self._failures, self._config.round_timeout_seconds)
        return PhaseRun(self._ground, place, phase, self._layout, members, take or (lambda *_: None))

    def _outgoing(self) -> Content:
        """Return the current weights as frames: made once, for every client and both phases."""
        if self._content is None:
            self._content = Content(self._layout, self._weights)
        return self._content

    def _configs(self, number: int, extra: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        base = {**self._task_config, "server-round": number}
        return {client_id: {**base, **more} for client_id, more in extra.items()}

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _wait_for_quorum(self, number: int) -> dict[int, Member]:
        """Return the clients that are ready, at least ``min_clients``; raises RunFailed at the quorum's deadline."""
        deadline = time.monotonic() + self._config.quorum_timeout_seconds
        enough_since: float | None = None
        said: str | None = None
        while True:
            self._drain()
            self._party.ask_newcomers(number, {**self._task_config, "server-round": number})
            ready, now = self._party.ready(), time.monotonic()
            if len(ready) >= self._config.min_clients:
                enough_since = enough_since or now
                if number > 0 or not self._party.preparing or now - enough_since > NEWCOMER_SECONDS:
                    break
            elif now > deadline:
                raise RunFailed(f"{len(ready)} of {self._config.min_clients} clients were there "
                                f"after {self._config.quorum_timeout_seconds:g} s")  # fmt: skip
            said = self._say_quorum(len(ready), deadline - now, said)
            self._hear(self._control.next(0.25))
        self._move(RunState.RUNNING)
        if said is not None or number == 0:
            self._unblock()
        return ready

    def _say_quorum(self, ready: int, left: float, said: str | None) -> str:
        preparing, needed = self._party.preparing, self._config.min_clients
        here, kind = ready + preparing, "quorum"
        if here >= needed:
            kind, sentence = "prepare", f"{preparing} of {here} clients are still building the network over their data"
        else:
            data = "" if self._config.network == "synthetic" else f" with {self._config.dataset}"
            sentence = f"{here} of {needed} clients are online; the run needs {needed - here} more{data}"
        if sentence != said:
            self._move(RunState.WAITING)
            self._block(kind, sentence, max(left, 0.0))
            self._ledger.flush()
        return sentence

    def _hear(self, reply: Reply | None) -> None:
        if reply is not None:
            self._party.hear(reply)
            reply.release()

    def _drain(self) -> None:
        """Take what has come without waiting."""
        while (reply := self._control.next(0.0)) is not None:
            self._hear(reply)

    def _move(self, to: RunState) -> None:
        if to is not self._state:
            self._control.check()
            self._ledger.move(self._job.run_id, to)
            self._state = to

    def _block(self, kind: Any, sentence: str, seconds: float | None) -> None:
        self._ledger.record(Blocked(self._job.run_id, kind, sentence, seconds, ("stop",)))

    def _unblock(self) -> None:
        self._ledger.record(Blocked(self._job.run_id, None))
