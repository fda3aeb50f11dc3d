"""Means in every dtype: mixed floats, integers that stay within their limits, bools, empty arrays."""

from typing import Any

import numpy as np
import pytest

from federation.aggregation.round_aggregation import UnusableAggregate
from federation.aggregation.running_mean import RunningMean, add_scaled
from federation.aggregation.strategy import RunStrategy
from federation.run.config import RunConfig
from federation.run.strategies import STRATEGIES
from federation.server.flower import identify_process
from federation.weights.layout import Layout
from tests.federation.aggregation.test_strategy import CLIENTS, config_of


@pytest.fixture(autouse=True)
def _identity() -> None:
    identify_process(1)


def test_the_running_mean_of_mixed_dtypes_is_the_weighted_mean_in_each() -> None:
    arrays: list[Any] = [np.arange(6, dtype=np.float16), np.arange(4, dtype=np.float64), np.array([1, 2, 9], np.int64)]
    layout = Layout.of(["h", "d", "i"], arrays)
    mean = RunningMean(layout)
    mean.add(layout.flats(layout.pack(arrays)), 10_000_000)
    mean.add(layout.flats(layout.pack([a * 3 for a in arrays])), 10_000_000)
    found = layout.unpack(mean.result())
    for mine, first in zip(found, arrays, strict=True):
        np.testing.assert_allclose(mine, first * 2, rtol=1e-3)
        assert mine.dtype == first.dtype


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_aggregates_integers_bools_and_empty_arrays(name: str) -> None:
    arrays: list[Any] = [np.array([5, -7], np.int64), np.array([True, False]), np.array([200], np.uint8),
                         np.ones(3, np.float16), np.float32(2.5), np.empty(0, np.int16)]  # fmt: skip
    layout = Layout.of(list("ibuhfe"), [np.asarray(a) for a in arrays])
    strategy, weights = RunStrategy(config_of(name), layout), layout.pack([np.asarray(a) for a in arrays])
    aggregation = strategy.begin_round(1, weights, CLIENTS)
    for client in CLIENTS:
        aggregation.add(client, layout.flats(bytearray(weights)), 10, {"loss": 1.0})
    for mine, first in zip(layout.unpack(aggregation.aggregate()[0]), arrays, strict=True):
        np.testing.assert_allclose(mine, first, rtol=1e-3)


WHOLE = {
    "uint8": [0, 1, 254, 255], "int8": [-128, 0, 5, 127], "int64": [-(2**63), 0, 2**53 + 1, 2**63 - 1],
    "bool": [False, True, True, False],
}  # fmt: skip


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize(("name", "options"), [
    ("FedAvg", {}), ("FedAvgM", {"server_momentum": 0.9}), ("FedAvgM", {"server_learning_rate": 0.4}),
    ("FedAdagrad", {"eta": 100.0}), ("FedAdam", {"eta": 100.0}), ("FedYogi", {"eta": 100.0}),
])  # fmt: skip
def test_a_step_beyond_the_limits_of_an_integer_is_clipped_and_resumes_exactly(
    name: str, options: dict[str, float], dtype: str
) -> None:
    """For five rounds the clients move values to the lower limit; values at the limit stay there, resumed or not."""
    first: Any = np.array(WHOLE[dtype], dtype)
    layout = Layout.of(["whole", "float"], [first, np.zeros(2, np.float32)])
    config = RunConfig.model_validate({"strategy": name, "strategy_options": options})
    least = first.min()

    def run(*, resumed: bool) -> Any:
        strategy = RunStrategy(config, layout)
        weights: Any = layout.pack([first, np.zeros(2, np.float32)])
        for number in range(1, 6):
            aggregation = strategy.begin_round(number, weights, [1, 2])
            old, floats = layout.unpack(weights)
            new = np.where(old == least, old, old - 1).astype(dtype) if dtype != "bool" else old & (number < 3)
            for client in (1, 2):
                aggregation.add(client, layout.flats(layout.pack([new, floats - np.float32(0.1)])), 10, {})
            weights, _ = aggregation.aggregate()
            strategy.commit(aggregation)
            found = layout.unpack(weights)[0]
            assert (found <= old).all(), f"round {number}: {found} after {old}"
            if resumed:
                state, strategy = strategy.state(), RunStrategy(config, layout)
                strategy.restore(state)
        return bytes(weights)

    assert run(resumed=False) == run(resumed=True)


def test_a_nan_is_not_cast_to_an_integer() -> None:
    layout = Layout.of(["whole"], [np.zeros(2, np.uint8)])
    strategy = RunStrategy(config_of("FedMedian"), layout)
    aggregation = strategy.begin_round(1, bytes(2), [1])
    aggregation.add(1, {"uint8": np.array([1.0, np.nan])}, 10, {})
    with pytest.raises(UnusableAggregate, match="1 of 2 values are not finite"):
        aggregation.aggregate()


def test_the_mean_of_a_mask_is_the_majority_by_samples() -> None:
    layout = Layout.of(["b"], [np.zeros(3, bool)])
    mean = RunningMean(layout)
    for mask, examples in (([True, True, False], 10), ([False, True, False], 30)):
        mean.add({"bool": np.array(mask)}, examples)
    assert layout.unpack(mean.result())[0].tolist() == [False, True, False]


def test_adding_block_by_block_equals_adding_at_once() -> None:
    rng = np.random.default_rng(3)
    total, flat = rng.random(2_500_000, np.float32), rng.random(2_500_000, np.float32)
    expected = total + flat * np.float32(7)
    add_scaled(total, flat, 7)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
