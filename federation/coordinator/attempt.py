"""One attempt at a round: train, aggregate, evaluate, write the weights down meanwhile, commit."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from federation.aggregation.reply_checks import check_finite
from federation.aggregation.robustness import Update, apply_rules, needs_whole_round
from federation.aggregation.round_aggregation import RoundAggregation, UnusableAggregate, mean_metrics
from federation.aggregation.strategy import RunStrategy
from federation.coordinator.background import work_aside
from federation.coordinator.eligibility import Party
from federation.coordinator.phase import Ground, PhaseRun, Place, Take
from federation.run.config import RunConfig
from federation.run.events import Checkpoint, Metrics, RoundDone
from federation.storage.checkpoints import Checkpoints
from federation.transport.exchange import Content, Member
from federation.weights.layout import Buffer, Layout

WriteCheckpoint = Callable[[int], Checkpoint]


ASIDE_BYTES = 50 * 10**6
"""Replies that have so many bytes together are aggregated in a thread of their own."""


class AttemptGaveUp(Exception):
    """This attempt commits nothing; the sentence says why."""


@dataclass
class Model:
    """A run's weights as they stand: layout, buffer, strategy, and the frames made of the buffer, once."""

    layout: Layout
    weights: Buffer
    strategy: RunStrategy
    _content: Content | None = field(default=None, repr=False)

    def content(self) -> Content:
        """Return the weights as frames, for every client and for both phases that send them."""
        if self._content is None:
            self._content = Content(self.layout, self.weights)
        return self._content

    def replace(self, weights: Buffer) -> None:
        """Go on with other weights."""
        self.weights, self._content = weights, None

    def write(self, checkpoints: Checkpoints, number: int) -> Checkpoint:
        """Write weights and the strategy's state to disk."""
        return checkpoints.write(number, self.weights, self.strategy.state(), self.content().id)


class Attempt:
    """One try at round ``number`` with the clients that are ready."""

    def __init__(
        self, ground: Ground, place: Place, config: RunConfig, task_config: dict[str, Any], model: Model, party: Party
    ) -> None:
        self._ground, self._place, self._config, self._model, self._party = ground, place, config, model, party
        self._base_config = {**task_config, "server-round": place.round}
        self._started, self._min_clients = time.monotonic(), ground.control.min_clients

    def run(self, ready: dict[int, Member], write: WriteCheckpoint) -> RoundDone:
        """Return the round to commit; raises AttemptGaveUp. Round 0 evaluates only."""
        if self._place.round == 0:
            return self._evaluate(ready, write, self._started, self._started, {})
        aggregation, train = self._train(ready)
        trained = time.monotonic()
        weights, metrics = self._aggregate(aggregation, len(train.accepted))
        self._model.replace(weights)
        self._model.strategy.commit(aggregation)
        return self._evaluate(self._party.ready(), write, trained, time.monotonic(), metrics)

    def _train(self, ready: dict[int, Member]) -> tuple[RoundAggregation, PhaseRun]:
        number, strategy = self._place.round, self._model.strategy
        chosen = self._party.choose(ready, number, self._place.attempt)
        aggregation = strategy.begin_round(number, self._model.weights, list(chosen))
        phase = self._phase("train", chosen, aggregation.add)
        phase.start(self._configs(chosen, aggregation.task_config), self._model.content())
        phase.collect()
        phase.settle(self._judge)
        self._party.note(phase.outcomes)
        return aggregation, phase

    def _judge(self, replies: Sequence[Update]) -> list[Update]:
        return apply_rules(replies, self._model.layout.flats(self._model.weights), self._config)

    def _aggregate(self, aggregation: RoundAggregation, accepted: int) -> tuple[Buffer, Metrics]:
        needed = min(self._min_clients, self._ground.control.min_clients)  # more are asked for from the next round on
        if accepted < needed:
            raise AttemptGaveUp(f"{accepted} of the {needed} replies it needs")
        try:
            weights, metrics = self._aggregated(aggregation)
        except UnusableAggregate as error:
            raise AttemptGaveUp(str(error)) from error
        if (refusal := check_finite(self._model.layout.flats(weights))) is not None:
            raise AttemptGaveUp(f"the aggregate is of no use: {refusal}")
        return weights, metrics

    def _aggregated(self, aggregation: RoundAggregation) -> tuple[Buffer, Metrics]:
        """Aggregate; where that may take seconds, which nothing can cut short, a stop does not wait for it."""
        if self._model.layout.size_bytes * max(len(aggregation.replies), 1) < ASIDE_BYTES:
            return aggregation.aggregate()
        return work_aside(aggregation.aggregate, self._ground.control)

    def _evaluate(
        self, ready: dict[int, Member], write: WriteCheckpoint, trained: float, aggregated: float, metrics: Metrics
    ) -> RoundDone:
        """Let clients evaluate the new weights while they are written down."""
        strategy = self._model.strategy
        phase = self._phase("evaluate", ready, lambda *_: None)
        if ready:
            extra = strategy.evaluate_config(self._place.round, list(ready))
            phase.start(self._configs(ready, extra), self._model.content())
        try:
            checkpoint = write(self._place.round)
        except BaseException:
            phase.abandon()
            raise
        phase.collect()
        evaluated = mean_metrics(phase.accepted)
        now, place = time.monotonic(), self._place
        return RoundDone(
            place.run_id, place.round, place.attempt, now - self._started, trained - self._started,
            aggregated - trained, now - aggregated, metrics, evaluated, checkpoint,
        )  # fmt: skip

    def _phase(self, phase: Any, members: dict[int, Member], take: Take) -> PhaseRun:
        hold = phase == "train" and needs_whole_round(self._config)
        phase_run = PhaseRun(self._ground, self._place, phase, self._model.layout, members, take, hold)
        if phase == "train":
            phase_run.refuse = self._model.strategy.check_metrics
        return phase_run

    def _configs(self, clients: Iterable[int], extra: dict[str, Any]) -> dict[int, dict[str, Any]]:
        shared = {**self._base_config, **extra}
        return dict.fromkeys(clients, shared)
