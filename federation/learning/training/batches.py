"""The batches of a task: one call of a compiled step for each, which is reported."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.formats import Samples
from federation.learning.training import steps
from federation.progress import report_progress


def number_of_batches(samples: int, size: int) -> int:
    """Return how many batches of at most ``size`` hold the samples."""
    return -(-samples // size)


def _batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


class Sums(NamedTuple):
    """Sums over samples: losses, and correct answers or squared errors."""

    losses: float
    second: float
    samples: int


def run_batches(
    step: steps.Step, samples: Samples, order: NDArray[np.int64], size: int, *, done: int, total: int
) -> Sums:  # fmt: skip
    """Call the step for each batch and report it; return the sums over the samples.

    ``done`` of the task's ``total`` batches came before these.
    """
    losses = second = 0.0
    seen = 0
    for batch, indices in enumerate(_batches(order, size), done + 1):
        sums = step(samples.images[indices], samples.labels[indices]).numpy().tolist()
        losses, second, seen = losses + sums[0], second + sums[1], seen + len(indices)
        report_progress(batch, total, losses / seen)
    return Sums(losses, second, seen)
