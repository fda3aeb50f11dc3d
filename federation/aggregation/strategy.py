"""The custom strategy: any of Flower's, made from a RunConfig, asked round by round, kept when the round counts.

``Strategy.start`` is not used: it knows no first round, no stop and no hook for a reply. Arrays are flat, one for each
dtype; no strategy's result depends on how arrays are cut.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower_strategies
from flwr.serverapp.strategy import FedAvg

from federation.aggregation.frozen_grid import Roster
from federation.aggregation.reply_checks import refuse_not_finite
from federation.aggregation.running_mean import RunningMean, join
from federation.run.config import RunConfig
from federation.run.events import Metrics
from federation.weights.layout import Buffer, Layout, NumpyArray

MEAN_ONLY = frozenset({"FedAvg", "FedProx"})
"""The aggregate is the mean itself: Flower's class is not asked for it."""

OVER_THE_MEAN = frozenset({"FedAvgM", "FedAdagrad", "FedAdam", "FedYogi"})
"""The server takes a step from the mean: Flower's class gets one reply that holds it."""

STATE = ("m_t", "v_t", "momentum_vector")
"""What these classes carry from round to round."""

WEIGHT_KEY = "num-examples"

CLIENT_KEY = "client"
"""Under which Flower's classes are told whose a reply is, and tell whose replies they have aggregated."""

LARGEST_LOSS = 1e15
"""Neither a loss under QFedAvg nor what it makes of it may be larger: the others' weights would vanish beside it."""


class UnusableAggregate(Exception):
    """The strategy could not make weights of the replies; the sentence says why."""


@dataclass
class Trial:
    """One attempt at a round: a copy of the strategy, the replies so far."""

    round: int
    strategy: FedAvg
    mean: RunningMean | None
    asked: dict[int, Message]
    replies: list[Message] = field(default_factory=list)
    metrics: dict[int, tuple[Metrics, int]] = field(default_factory=dict)
    """By client id: what it reported and its num_examples."""


class RunStrategy:
    """Flower's strategy of one run and what it carries from round to round."""

    def __init__(self, config: RunConfig, layout: Layout) -> None:
        self._name, self._layout = config.strategy, layout
        self._committed = self._make(config)

    @staticmethod
    def _make(config: RunConfig) -> FedAvg:
        """Make the class with fractions of 1 and minimums of 1: Meadow has chosen already, and Flower would wait."""
        made = getattr(flower_strategies, config.strategy)(
            fraction_train=1.0, fraction_evaluate=1.0, min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1,
            train_metrics_aggr_fn=_whose, **config.full_strategy_options,
        )  # fmt: skip
        return cast(FedAvg, made)

    # -- a round ------------------------------------------------------------------------------------------------------

    def try_round(self, number: int, weights: Buffer, client_ids: Sequence[int]) -> tuple[Trial, dict[str, Any]]:
        """Begin an attempt; return it and what the strategy adds to the clients' config, the same for all of them.

        Where the mean is all that the strategy gets of the replies, one message of it stands for everybody's.
        """
        trial = copy.copy(self._committed)
        if isinstance(trial, flower_strategies.FedAvgM):
            trial.current_arrays = None  # it would go on from its own copy, whose whole numbers are not rounded
        arrays = ArrayRecord() if self._name in MEAN_ONLY else self._record(weights)
        mean = RunningMean(self._layout) if self._name in MEAN_ONLY | OVER_THE_MEAN else None
        roster = Roster(client_ids if mean is None else client_ids[:1])
        messages = list(trial.configure_train(number, arrays, ConfigRecord(), roster))
        asked = {message.metadata.dst_node_id: message for message in messages}
        return Trial(number, trial, mean, asked), _config(messages[0])

    def evaluate_config(self, number: int, client_ids: Sequence[int]) -> dict[str, Any]:
        """Return what the strategy adds to the clients' config for an evaluation, the same for all of them."""
        roster = Roster(client_ids[:1])
        messages = self._committed.configure_evaluate(number, ArrayRecord(), ConfigRecord(), roster)
        return _config(next(iter(messages)))

    def refuse(self, metrics: Metrics) -> str | None:
        """Say why a reply with these metrics would be of no use to the strategy, or None."""
        if not isinstance(self._committed, flower_strategies.QFedAvg):
            return None
        loss = _loss_of(metrics)
        if loss is None:
            return "sends no loss, by which QFedAvg weighs clients"
        if not 0 <= loss <= LARGEST_LOSS or np.float_power(loss, self._committed.q) > LARGEST_LOSS:
            return f"sends a loss of {loss:g}, by which QFedAvg cannot weigh it"
        return None

    def add(
        self, trial: Trial, client_id: int, flats: dict[str, NumpyArray], num_examples: int, metrics: Metrics
    ) -> None:
        """Take one accepted train reply into the trial; afterwards its buffer may go."""
        trial.metrics[client_id] = metrics, num_examples
        if trial.mean is not None:
            trial.mean.add(flats, num_examples)
        else:
            numbers = {WEIGHT_KEY: num_examples, CLIENT_KEY: client_id}
            loss = {"train_loss": _loss_of(metrics) or 0.0} if self._name == "QFedAvg" else {}
            record = RecordDict({"arrays": self._array_record(flats), "metrics": MetricRecord({**numbers, **loss})})
            trial.replies.append(Message(record, reply_to=trial.asked[client_id]))

    def aggregate(self, trial: Trial) -> tuple[Buffer, Metrics]:
        """Return the new weights and the mean of the train metrics of whom they are made of.

        Raises UnusableAggregate.
        """
        everybody = sorted(trial.metrics)
        if trial.mean is not None and self._name in MEAN_ONLY:
            return trial.mean.result(), mean_metrics(trial.metrics[client] for client in everybody)
        if trial.mean is not None:
            mean = _array_record(self._layout.flats(trial.mean.result()))
            record = RecordDict({"arrays": mean, "metrics": MetricRecord({WEIGHT_KEY: trial.mean.total_examples})})
            trial.replies = [Message(record, reply_to=next(iter(trial.asked.values())))]
        else:  # of clients equally near to the others, Krum takes the first
            trial.replies.sort(key=lambda reply: cast(int, cast(MetricRecord, reply.content["metrics"])[CLIENT_KEY]))
        try:
            arrays, whose = trial.strategy.aggregate_train(trial.round, trial.replies)
        except Exception as error:  # Flower's classes raise what numpy raises; the attempt fails, the run goes on
            raise UnusableAggregate(f"{self._name} could not aggregate: {str(error)[:160]}") from error
        if arrays is None or whose is None:
            raise UnusableAggregate(f"{self._name} made no weights of {len(trial.replies)} replies")
        joined = self._join({dtype: array.numpy().ravel() for dtype, array in arrays.items()})
        chosen = everybody if trial.mean is not None else sorted(cast(list[int], whose[CLIENT_KEY]))
        return joined, mean_metrics(trial.metrics[client] for client in chosen)

    def _join(self, flats: dict[str, NumpyArray]) -> Buffer:
        """Cast what Flower's class made; a whole number would not show that it came of a NaN."""
        whole = {dtype: flat for dtype, flat in flats.items() if not dtype.startswith("float")}
        if (refusal := refuse_not_finite(whole)) is not None:
            raise UnusableAggregate(f"the aggregate is of no use: {refusal}")
        return join(self._layout, flats)

    def commit(self, trial: Trial) -> None:
        """The round counts: go on from this trial."""
        self._committed = trial.strategy

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NumpyArray]:
        """Return what a resumed run needs besides the weights, as named arrays; empty for most strategies."""
        found: dict[str, NumpyArray] = {}
        for name in STATE:
            held = getattr(self._committed, name, None)
            pairs = held.items() if isinstance(held, dict) else enumerate(held or [])
            found.update({f"{name}:{key}": np.asarray(value) for key, value in pairs})
        return found

    def lacks(self, state: dict[str, NumpyArray]) -> bool:
        """Whether a state lacks an array that the strategy carries once a round is committed."""
        dtypes = self._layout.dtypes
        if self._name == "FedAvgM":
            carries = cast(flower_strategies.FedAvgM, self._committed).server_momentum > 0
            return carries and any(f"momentum_vector:{i}" not in state for i in range(len(dtypes)))
        return self._name in OVER_THE_MEAN and any(f"{n}:{d}" not in state for n in ("m_t", "v_t") for d in dtypes)

    def restore(self, state: dict[str, NumpyArray]) -> None:
        """Take back what ``state`` gave."""
        for name in STATE:
            mine = {key.partition(":")[2]: value for key, value in state.items() if key.startswith(f"{name}:")}
            if mine:
                setattr(self._committed, name, list(mine.values()) if name == "momentum_vector" else mine)

    def _record(self, weights: Buffer) -> ArrayRecord:
        return self._array_record(self._layout.flats(weights))

    def _array_record(self, flats: dict[str, NumpyArray]) -> ArrayRecord:
        if self._name == "QFedAvg":  # it reckons in the arrays themselves, which whole numbers and bools do not bear
            flats = {
                dtype: flat if flat.dtype.kind == "f" else flat.astype(np.float64) for dtype, flat in flats.items()
            }
        return _array_record(flats)


def _loss_of(metrics: Metrics) -> float | None:
    return metrics.get("train_loss", metrics.get("loss"))


def _array_record(flats: dict[str, NumpyArray]) -> ArrayRecord:
    return ArrayRecord({dtype: Array(flat) for dtype, flat in flats.items()})


def _config(message: Message) -> dict[str, Any]:
    return dict(next(iter(message.content.config_records.values())))


def _whose(replies: list[RecordDict], _: str) -> MetricRecord:
    """Tell whose replies a class of Flower's aggregates; it takes this for its rule for metrics."""
    records = [cast(MetricRecord, reply["metrics"]) for reply in replies]
    return MetricRecord({CLIENT_KEY: [cast(int, record[CLIENT_KEY]) for record in records if CLIENT_KEY in record]})


def mean_metrics(replies: Iterable[tuple[Metrics, int]]) -> Metrics:
    """Return the mean of each metric over those who reported it, weighted by num_examples.

    Where all report the same names this is Flower's rule, which counts whoever leaves a name out as a zero.
    """
    reported: dict[str, list[tuple[float, int]]] = {}
    for metrics, examples in replies:
        for name, value in metrics.items():
            reported.setdefault(name, []).append((value, examples))
    return {name: _mean(values) for name, values in reported.items()}


def _mean(values: list[tuple[float, int]]) -> float:
    total = sum(examples for _, examples in values)
    return float(sum(value * (examples / total) for value, examples in values))
