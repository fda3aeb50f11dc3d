"""Sampling of the clients that train: their number, and which ones."""

import pytest
from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import FedAvg

from federation.aggregation.frozen_grid import FrozenGrid
from federation.coordinator.attempt import sample_clients
from federation.run.config import RunConfig
from federation.run.rounds.sampling import sample_size
from federation.server.flower import identify_process
from federation.transport.exchange import Member

READY = {client_id: Member(client_id, f"site-{client_id}", {}, "session") for client_id in range(1, 21)}


def flowers_number(available: int, fraction: float, min_clients: int) -> int:
    """Return how many of the available clients Flower's FedAvg sends a train message."""
    identify_process(1)
    strategy = FedAvg(fraction_train=fraction, min_train_nodes=min_clients, min_available_nodes=1)
    return len(list(strategy.configure_train(1, ArrayRecord(), ConfigRecord(), FrozenGrid(range(available)))))


@pytest.mark.parametrize("available", [1, 7, 20])
@pytest.mark.parametrize("min_clients", [1, 3])
def test_as_many_clients_are_sampled_as_flower_samples(available: int, min_clients: int) -> None:
    """Every percentage, most of which no float holds exactly; Flower waits for its minimum, as a run does."""
    ready = {client_id: READY[client_id] for client_id in range(1, available + 1)}
    for percent in range(1, 101):
        config = RunConfig(fraction_train=percent / 100, min_clients=min_clients)
        sampled = sample_clients(ready, config, min_clients, 1, 1)
        flower = flowers_number(available, percent / 100, min_clients) if available >= min_clients else available
        assert len(sampled) == flower, f"{percent} % of {available}"
        assert all(ready[client_id] is member for client_id, member in sampled.items())


@pytest.mark.parametrize(("available", "fraction", "min_clients", "expected"), [
    (100, 0.55, 2, 55), (100, 0.07, 2, 7), (20, 0.24, 2, 4), (20, 0.01, 2, 2), (20, 0.1, 7, 7), (20, 0.1, 50, 20),
    (3, 0.99, 1, 2), (3, 1.0, 1, 3),
])  # fmt: skip
def test_the_fraction_is_rounded_down_and_never_below_the_minimum(
    available: int, fraction: float, min_clients: int, expected: int
) -> None:
    assert sample_size(available, fraction, min_clients) == expected


def test_seed_round_and_attempt_each_change_the_sample_and_nothing_else_does() -> None:
    def sample(seed: int = 7, number: int = 1, attempt: int = 1, *, backwards: bool = False) -> list[int]:
        ready = dict(reversed(READY.items())) if backwards else READY
        return list(sample_clients(ready, RunConfig(fraction_train=0.4, seed=seed), 2, number, attempt))

    assert sample() == sample(backwards=True) == sorted(sample())
    assert len({tuple(one) for one in (sample(), sample(seed=8), sample(number=2), sample(attempt=2))}) == 4
