"""Each strategy equals Flower's own class over the same replies, round by round and resumed in the middle."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower_strategies
from flwr.serverapp.strategy import FedAvg

from federation.aggregation.frozen_grid import FrozenGrid
from federation.aggregation.round_aggregation import UnusableAggregate, mean_metrics
from federation.aggregation.strategy import RunStrategy
from federation.run.config import RunConfig
from federation.run.strategies import STRATEGIES
from federation.server.flower import identify_process
from federation.weights.layout import Layout

CLIENTS = list(range(1, 10))
SHAPES = [(3, 4), (4,), (4, 2)]
NAMES = ["kernel", "bias", "head"]
LAYOUT = Layout.of(NAMES, [np.zeros(shape, np.float32) for shape in SHAPES])

OPTIONS: dict[str, dict[str, float]] = {
    "FedProx": {"proximal_mu": 0.1},
    "FedAvgM": {"server_momentum": 0.9, "server_learning_rate": 0.5},
    "FedTrimmedAvg": {"beta": 0.25},
    "Krum": {"num_malicious_nodes": 1},
    "MultiKrum": {"num_malicious_nodes": 1, "num_nodes_to_select": 3},
    "Bulyan": {"num_malicious_nodes": 1},
    "QFedAvg": {"q": 0.2, "client_learning_rate": 0.1},
}


@pytest.fixture(autouse=True)
def _identity() -> None:
    identify_process(1)


def initial() -> list[Any]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]


def trained(arrays: list[Any], number: int, client: int) -> tuple[list[Any], int, dict[str, float]]:
    """Return a client's new weights in a round, its num_examples and metrics: the same for both sides."""
    rng = np.random.default_rng([number, client])
    new = [(a + rng.standard_normal(a.shape)).astype(np.float32) for a in arrays]
    return new, 10 * client, {"loss": float(rng.random()), "accuracy": float(rng.random())}


def flowers_own(name: str, rounds: int) -> tuple[list[Any], dict[str, float]]:
    """Run Flower's class, array by array."""
    fractions = {"min_train_nodes": 1, "min_evaluate_nodes": 1, "min_available_nodes": 1}
    strategy = getattr(flower_strategies, name)(**fractions, **OPTIONS.get(name, {}))
    arrays, metrics = initial(), {}
    for number in range(1, rounds + 1):
        record = ArrayRecord({key: Array(a) for key, a in zip(NAMES, arrays, strict=True)})
        messages = {
            m.metadata.dst_node_id: m
            for m in strategy.configure_train(number, record, ConfigRecord(), FrozenGrid(CLIENTS))
        }
        replies = []
        for client in CLIENTS:
            new, examples, said = trained(arrays, number, client)
            content = RecordDict(
                {
                    "arrays": ArrayRecord({key: Array(a) for key, a in zip(NAMES, new, strict=True)}),
                    "metrics": MetricRecord({**said, "num-examples": examples, "train_loss": said["loss"]}),
                }
            )
            replies.append(Message(content, reply_to=messages[client]))
        aggregated, metrics = strategy.aggregate_train(number, replies)
        arrays = [aggregated[key].numpy().astype(np.float32) for key in NAMES]
    return arrays, dict(metrics)


def config_of(name: str) -> RunConfig:
    given = {"strategy": name, "strategy_options": OPTIONS.get(name, {}), "min_clients": 9}
    return RunConfig.model_validate(given)


def meadows(name: str, rounds: int, *, resume_after: int | None = None) -> tuple[list[Any], dict[str, float]]:
    """Run RunStrategy over flat buffers; after ``resume_after`` a new object continues with the saved state."""
    strategy, metrics = RunStrategy(config_of(name), LAYOUT), dict[str, float]()
    weights: Any = LAYOUT.pack(initial())
    for number in range(1, rounds + 1):
        aggregation = strategy.begin_round(number, weights, CLIENTS)
        for client in CLIENTS:
            new, examples, said = trained(LAYOUT.unpack(weights), number, client)
            aggregation.add(client, LAYOUT.flats(LAYOUT.pack(new)), examples, said)
        weights, metrics = aggregation.aggregate()
        strategy.commit(aggregation)
        if number == resume_after:
            state, strategy = strategy.state(), RunStrategy(config_of(name), LAYOUT)
            strategy.restore(state)
    return [a.copy() for a in LAYOUT.unpack(weights)], metrics


@pytest.mark.parametrize("name", STRATEGIES)
def test_three_rounds_equal_flowers_own(name: str) -> None:
    expected, expected_metrics = flowers_own(name, 3)
    found, metrics = meadows(name, 3)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)
    assert metrics["loss"] == pytest.approx(expected_metrics["loss"], abs=1e-9)
    assert metrics["accuracy"] == pytest.approx(expected_metrics["accuracy"], abs=1e-9)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_resumed_in_the_middle_equals_one_that_was_not(name: str) -> None:
    expected, _ = flowers_own(name, 4)
    found, _ = meadows(name, 4, resume_after=2)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


def test_qfedavg_computes_with_the_learning_rate_of_the_round_unless_it_has_its_own() -> None:
    def aggregated(rate: float, **options: float) -> list[Any]:
        config = RunConfig(strategy="QFedAvg", learning_rate=0.1, strategy_options=options)
        weights = LAYOUT.pack(initial())
        aggregation = RunStrategy(config, LAYOUT).begin_round(1, weights, CLIENTS, learning_rate=rate)
        for client in CLIENTS:
            new, examples, said = trained(LAYOUT.unpack(weights), 1, client)
            aggregation.add(client, LAYOUT.flats(LAYOUT.pack(new)), examples, said)
        return [array.copy() for array in LAYOUT.unpack(aggregation.aggregate()[0])]

    def same(one: list[Any], other: list[Any]) -> bool:
        return all(np.allclose(mine, theirs) for mine, theirs in zip(one, other, strict=True))

    by_option = aggregated(0.1, client_learning_rate=0.01)
    assert same(aggregated(0.01), by_option)
    assert same(aggregated(0.5, client_learning_rate=0.01), by_option)
    assert not same(aggregated(0.1), by_option)


@pytest.mark.parametrize("name", ["FedAvgM", "FedAdam", "FedYogi", "FedAdagrad"])
def test_an_attempt_that_is_not_committed_changes_no_state(name: str) -> None:
    strategy = RunStrategy(config_of(name), LAYOUT)
    weights: Any = LAYOUT.pack(initial())

    def attempt(number: int, *, wild: bool) -> Any:
        aggregation = strategy.begin_round(number, weights, CLIENTS)
        for client in CLIENTS:
            new, examples, said = trained(LAYOUT.unpack(weights), number + 100 * wild, client)
            aggregation.add(client, LAYOUT.flats(LAYOUT.pack(new)), examples, said)
        return aggregation, aggregation.aggregate()[0]

    aggregation, weights = attempt(1, wild=False)
    strategy.commit(aggregation)
    before = {key: value.copy() for key, value in strategy.state().items()}
    attempt(2, wild=True)
    after = strategy.state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", ["FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan", "QFedAvg"])
def test_the_order_in_which_replies_come_changes_nothing(name: str) -> None:
    """Two of the three clients are nearest to each other, and Krum must take one of them."""
    config = RunConfig.model_validate({"strategy": name, "min_clients": 3})
    results = set()
    for order in itertools.permutations([1, 2, 3]):
        strategy = RunStrategy(config, LAYOUT)
        aggregation = strategy.begin_round(1, LAYOUT.pack(initial()), [1, 2, 3])
        for client in order:
            new, examples, said = trained(initial(), 1, client)
            aggregation.add(client, LAYOUT.flats(LAYOUT.pack(new)), examples, said)
        weights, metrics = aggregation.aggregate()
        results.add((bytes(weights), *metrics.items()))
    assert len(results) == 1


def test_an_error_of_flowers_class_becomes_a_sentence() -> None:
    strategy = RunStrategy(config_of("Bulyan"), LAYOUT)
    aggregation = strategy.begin_round(1, LAYOUT.pack(initial()), CLIENTS)
    with pytest.raises(UnusableAggregate, match="Bulyan"):
        aggregation.aggregate()


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_mean_of_a_metric_is_over_the_clients_that_reported_it(name: str) -> None:
    strategy, weights = RunStrategy(config_of(name), LAYOUT), LAYOUT.pack(initial())
    aggregation = strategy.begin_round(1, weights, CLIENTS)
    for client in CLIENTS:
        more = {"accuracy": 0.9} if client % 2 else {"f1": 0.8}
        aggregation.add(client, LAYOUT.flats(bytearray(weights)), 10 * client, {"loss": 1.0, **more})
    _, metrics = aggregation.aggregate()
    whole = {"loss": 1.0, "accuracy": 0.9, "f1": 0.8}
    assert metrics == {key: pytest.approx(whole[key]) for key in metrics}
    assert metrics.keys() == whole.keys() or "Krum" in name or name == "Bulyan"  # these take some of the clients


def test_means_of_metrics_equal_flowers_if_all_clients_report_the_same_names() -> None:
    rng = np.random.default_rng(4)
    replies = [({"loss": float(rng.random()), "f1": float(rng.random())}, int(n)) for n in rng.integers(1, 10**6, 20)]
    records = [RecordDict({"m": MetricRecord({**metrics, "num-examples": n})}) for metrics, n in replies]
    assert mean_metrics(replies) == dict(FedAvg().evaluate_metrics_aggr_fn(records, "num-examples"))
    assert mean_metrics([]) == {}
    wild = mean_metrics([({"a": math.inf, "b": math.nan}, 1), ({"a": 1.0, "b": 1.0}, 1), ({}, 98)])
    assert wild["a"] == math.inf
    assert math.isnan(wild["b"])


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_order_of_arrival_changes_no_bit_where_all_updates_are_held_and_else_the_last_bits(name: str) -> None:
    results: list[tuple[Any, dict[str, float]]] = []
    for order in (CLIENTS, CLIENTS[::-1], CLIENTS[4:] + CLIENTS[:4]):
        aggregation = RunStrategy(config_of(name), LAYOUT).begin_round(1, LAYOUT.pack(initial()), CLIENTS)
        held = aggregation.mean is None
        for client in order:
            new, examples, metrics = trained(initial(), 1, client)
            aggregation.add(client, LAYOUT.flats(LAYOUT.pack(new)), examples, metrics)
        weights, said = aggregation.aggregate()
        results.append((np.frombuffer(weights, np.float32), said))
    for weights, said in results[1:]:
        assert said == results[0][1]
        np.testing.assert_allclose(weights, results[0][0], rtol=0.0 if held else 1e-4, atol=0.0 if held else 1e-5)
