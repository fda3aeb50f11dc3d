"""One attempt at a round: updates are added as they arrive, then become the next weights by Flower's strategy.

Arrays are flat, one for each dtype; the result of no strategy depends on how arrays are cut.
"""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from federation.aggregation.diagnostics import UpdateDiagnostics
from federation.aggregation.frozen_grid import FrozenGrid
from federation.aggregation.reply_checks import check_finite
from federation.aggregation.running_mean import RunningMean, cast_to_layout
from federation.run.events import Metrics
from federation.weights.layout import Buffer, Flats, Layout

AGGREGATE_IS_MEAN = frozenset({"FedAvg", "FedProx"})
"""Strategies whose aggregate is the running mean itself: Flower's class does not aggregate."""

STEP_FROM_MEAN = frozenset({"FedAvgM", "FedAdagrad", "FedAdam", "FedYogi"})
"""Strategies that take a step from the mean: Flower's class gets one reply that holds it."""

EXAMPLES_KEY = "num-examples"

CLIENT_KEY = "client"
"""The metric by which Flower's classes get a reply's client, and return the clients whose replies they aggregated."""


class UnusableAggregate(Exception):
    """The strategy could not make weights of the replies; the sentence says why."""


class RoundAggregation:
    """The updates of one attempt and a copy of the strategy, which the run keeps only if the round is committed.

    ``strategy`` is changed from here on: pass a copy. ``tasks`` are the messages that it made for the clients,
    ``task_config`` is what it adds to their config, the same for all. If the strategy gets nothing of the replies but
    their mean, one message stands for all clients; ``mean`` is None for one that needs every update.
    """

    def __init__(
        self, name: str, layout: Layout, number: int, strategy: FedAvg, weights: Buffer, client_ids: Sequence[int],
        *, diagnostics: bool = False,
    ) -> None:  # fmt: skip
        by_mean = name in AGGREGATE_IS_MEAN or name in STEP_FROM_MEAN
        arrays = ArrayRecord() if name in AGGREGATE_IS_MEAN else _record_for(name, layout.flats(weights))
        grid = FrozenGrid(client_ids[:1] if by_mean else client_ids)
        messages = list(strategy.configure_train(number, arrays, ConfigRecord(), grid))
        self.name, self.layout, self.round, self.strategy = name, layout, number, strategy
        self.mean = RunningMean(layout) if by_mean else None
        self.tasks = {message.metadata.dst_node_id: message for message in messages}
        self.task_config = config_of(messages[0])
        self.replies: list[Message] = []
        self.metrics: dict[int, tuple[Metrics, int]] = {}
        """Client id -> the metrics that it reported and its num_examples."""
        self.diagnostics = UpdateDiagnostics(layout.flats(weights), len(client_ids)) if diagnostics else None
        self.measured: dict[int, Metrics] = {}
        """Client id -> what was measured of its update, once all are aggregated."""

    def add(self, client_id: int, flats: Flats, weight: int, metrics: Metrics) -> None:
        """Add one accepted update, which counts as ``weight`` samples; its buffer is not needed afterwards."""
        self.metrics[client_id] = metrics, weight
        if self.diagnostics is not None:
            self.diagnostics.add(client_id, flats, weight)
        if self.mean is not None:
            self.mean.add(flats, weight)
            return
        numbers: dict[str, int | float] = {EXAMPLES_KEY: weight, CLIENT_KEY: client_id}
        if self.name == "QFedAvg":
            numbers["train_loss"] = train_loss(metrics) or 0.0
        record = RecordDict({"arrays": _record_for(self.name, flats), "metrics": MetricRecord({**numbers})})
        self.replies.append(Message(record, reply_to=self.tasks[client_id]))

    def aggregate(self) -> tuple[Buffer, Metrics]:
        """Return the new weights, and the mean of the train metrics of the clients whose updates they are made of.

        Raises UnusableAggregate.
        """
        every_client = sorted(self.metrics)
        self._measure()
        if self.mean is not None and self.name in AGGREGATE_IS_MEAN:
            return self.mean.result(), self._mean_metrics(every_client)
        if self.mean is not None:
            mean = _array_record(self.layout.flats(self.mean.result()))
            record = RecordDict({"arrays": mean, "metrics": MetricRecord({EXAMPLES_KEY: self.mean.total_examples})})
            self.replies = [Message(record, reply_to=next(iter(self.tasks.values())))]
        else:  # of clients that are equally near to the others, Krum takes the first
            self.replies.sort(key=lambda reply: cast(int, cast(MetricRecord, reply.content["metrics"])[CLIENT_KEY]))
        arrays, used = self._aggregate_by_flower()
        clients = every_client if self.mean is not None else sorted(cast(list[int], used[CLIENT_KEY]))
        weights = self._cast({dtype: array.numpy().ravel() for dtype, array in arrays.items()})
        return weights, self._mean_metrics(clients)

    def _measure(self) -> None:
        """Add what was measured of the updates to the metrics of their clients."""
        if self.diagnostics is not None:
            self.measured = self.diagnostics.result()
            for client_id, measured in self.measured.items():
                metrics, weight = self.metrics[client_id]
                self.metrics[client_id] = metrics | measured, weight

    def _aggregate_by_flower(self) -> tuple[ArrayRecord, MetricRecord]:
        try:
            arrays, used = self.strategy.aggregate_train(self.round, self.replies)
        except Exception as error:  # Flower's classes raise what numpy raises; the attempt fails, the run continues
            raise UnusableAggregate(f"{self.name} could not aggregate: {str(error)[:160]}") from error
        if arrays is None or used is None:
            raise UnusableAggregate(f"{self.name} returned no weights for {len(self.replies):,} replies")
        return arrays, used

    def _cast(self, flats: Flats) -> Buffer:
        """Return a buffer of the layout. Integers are checked before: one made of a NaN would look like any other."""
        integers = {dtype: flat for dtype, flat in flats.items() if not dtype.startswith("float")}
        if (refusal := check_finite(integers)) is not None:
            raise UnusableAggregate(f"the aggregate is not usable: {refusal}")
        return cast_to_layout(self.layout, flats)

    def _mean_metrics(self, clients: Iterable[int]) -> Metrics:
        return mean_metrics(self.metrics[client] for client in clients)


def clients_of_replies(replies: list[RecordDict], _: str) -> MetricRecord:
    """Return whose replies Flower's class aggregates; given to it as its function for the mean of train metrics."""
    records = [cast(MetricRecord, reply["metrics"]) for reply in replies]
    return MetricRecord({CLIENT_KEY: [cast(int, record[CLIENT_KEY]) for record in records if CLIENT_KEY in record]})


def train_loss(metrics: Metrics) -> float | None:
    """Return the loss by which QFedAvg weighs a reply."""
    return metrics.get("train_loss", metrics.get("loss"))


def config_of(message: Message) -> dict[str, object]:
    """Return the config of a message that a strategy has made."""
    return dict(next(iter(message.content.config_records.values())))


def _record_for(name: str, flats: Flats) -> ArrayRecord:
    """Return the arrays as a strategy takes them: QFedAvg computes in place, which integers and bools cannot hold."""
    if name == "QFedAvg":
        flats = {dtype: flat if flat.dtype.kind == "f" else flat.astype(np.float64) for dtype, flat in flats.items()}
    return _array_record(flats)


def _array_record(flats: Flats) -> ArrayRecord:
    return ArrayRecord({dtype: Array(flat) for dtype, flat in flats.items()})


def mean_metrics(replies: Iterable[tuple[Metrics, int]]) -> Metrics:
    """Return the mean of each metric over the replies that have it, weighted by num_examples.

    If all replies have the same names, this is Flower's result. Flower itself counts a missing name as zero.
    """
    reported: dict[str, list[tuple[float, int]]] = {}
    for metrics, examples in replies:
        for name, value in metrics.items():
            reported.setdefault(name, []).append((value, examples))
    return {name: _weighted_mean(values) for name, values in reported.items()}


def _weighted_mean(values: list[tuple[float, int]]) -> float:
    total = sum(examples for _, examples in values)
    return float(sum(value * (examples / total) for value, examples in values))
