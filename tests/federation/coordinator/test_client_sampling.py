"""Sampling of the clients that train: their number, and which ones."""

import pytest

from federation.coordinator.client_sampling import sample_clients
from federation.run.config import RunConfig
from federation.transport.exchange import Member

READY = {client_id: Member(client_id, f"site-{client_id}", {}, "session") for client_id in range(1, 21)}


@pytest.mark.parametrize(("fraction", "min_clients", "expected"), [
    (1.0, 2, 20), (0.5, 2, 10), (0.24, 2, 5), (0.01, 2, 2), (0.1, 7, 7), (0.1, 50, 20),
])  # fmt: skip
def test_the_fraction_is_rounded_up_and_never_below_the_minimum(
    fraction: float, min_clients: int, expected: int
) -> None:
    config = RunConfig(fraction_train=fraction, seed=7)
    sampled = sample_clients(READY, config, min_clients, 1, 1)
    assert len(sampled) == expected
    assert all(READY[client_id] is member for client_id, member in sampled.items())


def test_seed_round_and_attempt_each_change_the_sample_and_nothing_else_does() -> None:
    def sample(seed: int = 7, number: int = 1, attempt: int = 1, *, backwards: bool = False) -> list[int]:
        ready = dict(reversed(READY.items())) if backwards else READY
        return list(sample_clients(ready, RunConfig(fraction_train=0.4, seed=seed), 2, number, attempt))

    assert sample() == sample(backwards=True) == sorted(sample())
    assert len({tuple(one) for one in (sample(), sample(seed=8), sample(number=2), sample(attempt=2))}) == 4
