"""One attempt at a round: train, aggregate, evaluate, and write the checkpoint while clients evaluate."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from federation.aggregation.diagnostics import fairness_of
from federation.aggregation.reply_checks import check_finite
from federation.aggregation.robustness import Update, apply_rules, needs_whole_round
from federation.aggregation.round_aggregation import RoundAggregation, UnusableAggregate, mean_metrics
from federation.aggregation.strategy import RunStrategy
from federation.coordinator.background import run_in_background
from federation.coordinator.eligibility import Eligibility
from federation.coordinator.phase import RunningPhase, listed
from federation.coordinator.preparation import Preparation
from federation.coordinator.run_context import RunContext
from federation.run.config import RunConfig
from federation.run.events import Checkpoint, Metrics, RoundDone
from federation.run.pooling import pooled_metrics, summed_confusion
from federation.run.rounds.sampling import sample_size
from federation.storage.checkpoints import Checkpoints
from federation.transport.exchange import Content, Member, TaskConfig
from federation.weights.layout import Buffer, Layout

WriteCheckpoint = Callable[[int], Checkpoint]
"""Writes the checkpoint of a round."""

BACKGROUND_BYTES = 50 * 10**6
"""Replies that have at least this many bytes together are aggregated in a thread of their own."""


class AttemptAborted(Exception):
    """This attempt commits nothing; the sentence says why."""


class ClientsLost(AttemptAborted):
    """The replies that are missing are those of clients that lost the connection: the run waits for them again."""


@dataclass
class GlobalModel:
    """The run's present weights with their layout and strategy, and their frames, which are made once."""

    layout: Layout
    weights: Buffer
    strategy: RunStrategy
    _content: Content | None = field(default=None, repr=False)

    def content(self) -> Content:
        """Return the weights as frames: the same for every client, and for both phases that send them."""
        if self._content is None:
            self._content = Content(self.layout, self.weights)
        return self._content

    def replace(self, weights: Buffer) -> None:
        """Set other weights."""
        self.weights, self._content = weights, None

    def write(self, checkpoints: Checkpoints, number: int) -> Checkpoint:
        """Write weights and the strategy's state as the checkpoint of a round; raises OSError."""
        return checkpoints.write(number, self.weights, self.strategy.state(), self.content().id)


class Attempt:
    """Attempt ``attempt`` at round ``number``; for the run's thread."""

    def __init__(
        self, context: RunContext, task_config: TaskConfig, model: GlobalModel, eligibility: Eligibility,
        preparation: Preparation, *, number: int, attempt: int, is_evaluated: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._context, self._config, self._model = context, context.config, model
        self._eligibility, self._preparation = eligibility, preparation
        self._number, self._attempt, self._is_evaluated = number, attempt, is_evaluated
        self._scheduled = self._config.scheduled(number, context.control.num_rounds)
        self._base_config: TaskConfig = {**task_config, **self._scheduled, "server-round": number}
        context.traffic_bytes = 0
        self._started, self._min_clients = time.monotonic(), context.control.min_clients

    def run(self, ready: dict[int, Member], write: WriteCheckpoint) -> RoundDone:
        """Return the round to commit; raises AttemptAborted. Round 0 is an evaluation only."""
        if self._number == 0:
            return self._evaluate(ready, write, self._started, self._started)
        aggregation, train = self._train(ready)
        trained = time.monotonic()
        self._eligibility.reload()
        weights, metrics = self._aggregate(aggregation, train)
        self._model.replace(weights)
        self._model.strategy.commit(aggregation)
        ready = self._preparation.ready()
        return self._evaluate(ready, write, trained, time.monotonic(), metrics, aggregation.measured)

    def _train(self, ready: dict[int, Member]) -> tuple[RoundAggregation, RunningPhase]:
        number, strategy = self._number, self._model.strategy
        fraction, fewest = self._scheduled.get("fraction_train"), self._context.control.min_clients
        sampled = sample_clients(ready, self._config, fewest, number, self._attempt, fraction)
        rate = self._scheduled.get("learning_rate")
        aggregation = strategy.begin_round(number, self._model.weights, list(sampled), learning_rate=rate)
        phase = RunningPhase(
            self._context, number, self._attempt, "train", self._model.layout, sampled, aggregation.add,
            hold=needs_whole_round(self._config), check_metrics=strategy.check_metrics,
        )  # fmt: skip
        phase.start({**self._base_config, **aggregation.task_config}, self._model.content())
        phase.collect()
        phase.accept_held(self._apply_rules)
        self._eligibility.note_train_outcomes(phase.outcomes)
        return aggregation, phase

    def _apply_rules(self, updates: Sequence[Update]) -> list[Update]:
        return apply_rules(updates, self._model.layout.flats(self._model.weights), self._config)

    def _aggregate(self, aggregation: RoundAggregation, train: RunningPhase) -> tuple[Buffer, Metrics]:
        accepted = len(train.accepted)
        needed = min(self._min_clients, self._context.control.min_clients)  # a raised minimum is for later rounds
        if accepted < needed:
            sentence = f"{accepted:,} of the {needed:,} replies it needs"
            lost = [train.members[client].name for client, outcome in train.outcomes.items() if outcome == "lost"]
            if accepted + len(lost) >= needed:
                raise ClientsLost(f"{sentence}; {listed(lost)} lost the connection")
            raise AttemptAborted(sentence)
        try:
            weights, metrics = self._run_aggregation(aggregation)
        except UnusableAggregate as error:
            raise AttemptAborted(str(error)) from error
        if (refusal := check_finite(self._model.layout.flats(weights))) is not None:
            raise AttemptAborted(f"the aggregate is not usable: {refusal}")
        return weights, metrics

    def _run_aggregation(self, aggregation: RoundAggregation) -> tuple[Buffer, Metrics]:
        """Aggregate; in the background if that may take seconds, so that a stop does not wait for it."""
        if self._model.layout.size_bytes * max(len(aggregation.replies), 1) < BACKGROUND_BYTES:
            return aggregation.aggregate()
        return run_in_background(aggregation.aggregate, self._context.control)

    def _evaluate(
        self, ready: dict[int, Member], write: WriteCheckpoint, trained: float, aggregated: float,
        metrics: Metrics | None = None, measured: Mapping[int, Metrics] | None = None,
    ) -> RoundDone:  # fmt: skip
        """Let clients evaluate the new weights, where it is their turn, while the checkpoint is written."""
        number, attempt, without = self._number, self._attempt, self._context.without_evaluation
        is_evaluated = self._is_evaluated()
        fit = {c: member for c, member in ready.items() if (c, member.session) not in without}
        ready = fit if is_evaluated else {}
        phase = RunningPhase(self._context, number, attempt, "evaluate", self._model.layout, ready, lambda *_: None)
        if ready:
            added = self._model.strategy.evaluate_config(number, list(ready))
            phase.start({**self._base_config, **added}, self._model.content())
        try:
            checkpoint = write(number)
        except BaseException:
            phase.cancel()
            raise
        phase.collect()
        evaluated = evaluated_metrics(phase, self._config) if is_evaluated else {}
        now = time.monotonic()
        return RoundDone(
            self._context.run_id, number, attempt, now - self._started, trained - self._started,
            aggregated - trained, now - aggregated, {**(metrics or {}), **self._scheduled}, evaluated, checkpoint,
            measured or {}, is_evaluated, None, *summed_confusion(phase.counts),
        )  # fmt: skip


def evaluated_metrics(phase: RunningPhase, config: RunConfig) -> Metrics:
    """Return the means over the accepted replies of an evaluation, pooled metrics, and fairness where it is on."""
    told = zip(phase.accepted, phase.counts, strict=True)
    evaluated = mean_metrics(phase.accepted) | pooled_metrics((*reply, counts) for reply, counts in told)
    if config.diagnostics != "off":
        evaluated |= fairness_of((reported for reported, _ in phase.accepted), config.metric_goals)
    return evaluated


def sample_clients(
    ready: dict[int, Member], config: RunConfig, min_clients: int, number: int, attempt: int,
    fraction: float | None = None,
) -> dict[int, Member]:  # fmt: skip
    """Return the ready clients that train, as many as ``sample_size`` says for the run's fraction or another one.

    The same run seed, round and attempt sample the same clients of the same ready ones.
    """
    count = sample_size(len(ready), config.fraction_train if fraction is None else fraction, min_clients)
    if count == len(ready):
        return ready
    drawn = np.random.default_rng([config.seed, number, attempt]).choice(sorted(ready), count, replace=False)
    return {int(client_id): ready[int(client_id)] for client_id in sorted(drawn)}
