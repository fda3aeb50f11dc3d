"""Clients that learn together: real data, real networks, averaged by Flower's own FedAvg in one process."""

import time
from pathlib import Path

import numpy as np
import pytest

from federation.client_app import Work, build_work
from tests.learners import arrays, ask, first_weights, metrics, run_rounds, settings
from tests.small_data import lay_cifar10

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def halves() -> list[Work]:
    """Two clients with one half of the digits each."""
    return [build_work("digits", partition, 2) for partition in range(2)]


def test_two_clients_learn_digits(halves: list[Work]) -> None:
    _, accuracies = run_rounds(halves, 12)
    print("accuracy by round:", *(f"{accuracy:.3f}" for accuracy in accuracies))
    assert accuracies[4] >= 0.85
    assert accuracies[11] >= 0.93


def test_a_fixed_seed_gives_the_same_federation_twice(halves: list[Work]) -> None:
    (first, curve), (again, same_curve) = (run_rounds(halves, 3, network="cnn") for _ in range(2))
    assert curve == same_curve
    for name, array in first.items():
        assert np.array_equal(array.numpy(), again[name].numpy())


def test_clients_with_few_classes_each_learn_together() -> None:
    works = [build_work("digits", partition, 3) for partition in range(3)]
    _, accuracies = run_rounds(works, 12, partitioner="dirichlet", dirichlet_alpha=0.3)
    assert accuracies[11] >= 0.75


def test_a_round_of_digits_costs_a_fraction_of_a_second(halves: list[Work]) -> None:
    config = settings()
    weights = first_weights(config)
    seconds = []
    for _ in range(6):
        begin = time.perf_counter()
        for phase in ("train", "evaluate"):
            for work in halves:
                ask(work, phase, weights, config)
        seconds.append(time.perf_counter() - begin)
    print(f"a round of two clients, one after the other: {np.median(seconds[1:]) * 1000:.0f} ms")
    assert np.median(seconds[1:]) < 0.6  # four times the aim: other programs may be running


def test_mobilenet_trains_and_evaluates_on_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    lay_cifar10(tmp_path / "datasets" / "cifar-10-batches-py")
    works = [build_work("cifar10", partition, 2) for partition in range(2)]
    run = {"dataset": "cifar10", "network": "mobilenet_v2", "steps_per_epoch": 3}
    weights, accuracies = run_rounds(works, 3, **run)
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert all(np.isfinite(array.numpy()).all() for array in weights.values())

    config = settings(4, **run)
    reply = ask(works[0], "train", weights, config)
    assert metrics(reply)["num-examples"] == 105
    moving = "bn_Conv1/moving_variance"
    assert not np.array_equal(arrays(reply)[moving].numpy(), weights[moving].numpy())
