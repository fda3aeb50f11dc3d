"""A federation in one process: real data, real networks, averaged by Flower's own FedAvg."""

import numpy as np
import pytest

from federation.learning.client_app import Work, build_work
from federation.learning.training.trainer import Training, trainer_for
from tests.support.learners import run_rounds, settings

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


def test_clients_with_few_classes_each_learn_all_classes() -> None:
    works = [build_work("digits", partition, 3) for partition in range(3)]
    _, accuracies = run_rounds(works, 12, partitioner="dirichlet", dirichlet_alpha=0.3)
    assert accuracies[11] >= 0.75


def test_all_rounds_of_a_process_use_one_network_compiled_once(halves: list[Work]) -> None:
    """Compiling takes seconds, a round of digits a tenth of one."""
    trainer_for.cache_clear()
    run_rounds(halves, 3)
    assert trainer_for.cache_info().misses == 1
    config = settings()
    trainer = trainer_for(Training.of(config))
    compiled = trainer.training_step, trainer.evaluation_step
    run_rounds(halves, 1)
    assert (trainer.training_step, trainer.evaluation_step) == compiled, "a compiled step is never traced again"
