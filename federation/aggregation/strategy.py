"""Any of Flower's strategies, made from a RunConfig, with the state that it carries from round to round.

``Strategy.start`` is not used: it has no round 0, no stop, and no hook for a single reply.
"""

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import strategy as flower_strategies
from flwr.serverapp.strategy import FedAvg

from federation.aggregation.frozen_grid import FrozenGrid
from federation.aggregation.round_aggregation import (
    STEP_FROM_MEAN,
    RoundAggregation,
    clients_of_replies,
    config_of,
    train_loss,
)
from federation.run.config import RunConfig
from federation.run.events import Metrics
from federation.weights.layout import Buffer, Layout, NumpyArray

STATE = ("m_t", "v_t", "momentum_vector")
"""Attributes of Flower's classes that carry state from round to round."""

LARGEST_LOSS = 1e15
"""Neither a loss under QFedAvg nor its power q may be larger: the weights of other clients would vanish beside it."""


class RunStrategy:
    """Flower's strategy of one run. Its state changes only by ``commit`` and ``restore``."""

    def __init__(self, config: RunConfig, layout: Layout) -> None:
        self._name, self._layout = config.strategy, layout
        self._diagnostics = config.diagnostics != "off"
        self._committed = _make_strategy(config)
        self._follows_rate = config.strategy == "QFedAvg" and "client_learning_rate" not in config.strategy_options

    # -- a round ------------------------------------------------------------------------------------------------------

    def begin_round(
        self, number: int, weights: Buffer, client_ids: Sequence[int], *, learning_rate: float | None = None
    ) -> RoundAggregation:
        """Begin an attempt at a round with the sampled clients, on a copy of the strategy.

        ``learning_rate`` is that of the clients in this round, where it has a schedule: QFedAvg computes with it,
        unless its own option says another.
        """
        strategy = copy.copy(self._committed)
        if isinstance(strategy, flower_strategies.QFedAvg) and self._follows_rate and learning_rate is not None:
            strategy.client_learning_rate = learning_rate
        if isinstance(strategy, flower_strategies.FedAvgM):
            strategy.current_arrays = None  # else the class continues from its own copy, whose integers are not rounded
        return RoundAggregation(
            self._name, self._layout, number, strategy, weights, client_ids, diagnostics=self._diagnostics
        )

    def evaluate_config(self, number: int, client_ids: Sequence[int]) -> dict[str, object]:
        """Return what the strategy adds to the clients' config for an evaluation, the same for all of them."""
        grid = FrozenGrid(client_ids[:1])
        messages = self._committed.configure_evaluate(number, ArrayRecord(), ConfigRecord(), grid)
        return config_of(next(iter(messages)))

    def check_metrics(self, metrics: Metrics) -> str | None:
        """Return why the strategy cannot use a reply with these metrics, or None."""
        if not isinstance(self._committed, flower_strategies.QFedAvg):
            return None
        loss = train_loss(metrics)
        if loss is None:
            return "sends no loss, by which QFedAvg weighs clients"
        if not 0 <= loss <= LARGEST_LOSS or np.float_power(loss, self._committed.q) > LARGEST_LOSS:
            return f"sends a loss of {loss:g}, by which QFedAvg cannot weigh it"
        return None

    def commit(self, aggregation: RoundAggregation) -> None:
        """Continue from the strategy of this attempt."""
        self._committed = aggregation.strategy

    # -- state --------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NumpyArray]:
        """Return what a resumed run needs besides the weights, as named arrays; empty for most strategies."""
        state: dict[str, NumpyArray] = {}
        for name in STATE:
            value = getattr(self._committed, name, None)
            pairs = value.items() if isinstance(value, dict) else enumerate(value or [])
            state.update({f"{name}:{key}": np.asarray(array) for key, array in pairs})
        return state

    def is_incomplete(self, state: dict[str, NumpyArray]) -> bool:
        """Say whether a state lacks an array that the strategy has after a committed round."""
        dtypes = self._layout.dtypes
        if self._name == "FedAvgM":
            has_momentum = cast(flower_strategies.FedAvgM, self._committed).server_momentum > 0
            return has_momentum and any(f"momentum_vector:{i}" not in state for i in range(len(dtypes)))
        return self._name in STEP_FROM_MEAN and any(f"{n}:{d}" not in state for n in ("m_t", "v_t") for d in dtypes)

    def restore(self, state: dict[str, NumpyArray]) -> None:
        """Load what ``state`` returned."""
        for name in STATE:
            arrays = {key.partition(":")[2]: value for key, value in state.items() if key.startswith(f"{name}:")}
            if arrays:
                setattr(self._committed, name, list(arrays.values()) if name == "momentum_vector" else arrays)


def _make_strategy(config: RunConfig) -> FedAvg:
    """Make Flower's class with fractions of 1 and minimums of 1.

    The clients are sampled already, and Flower's own sampling would wait for connections without a deadline.
    """
    strategy = getattr(flower_strategies, config.strategy)(
        fraction_train=1.0, fraction_evaluate=1.0, min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1,
        train_metrics_aggr_fn=clients_of_replies, **config.full_strategy_options,
    )  # fmt: skip
    return cast(FedAvg, strategy)
