"""Meadow's running mean beside numpy's own in-place weighted sum over the same arrays."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from federation.aggregation.running_mean import RunningMean
from federation.weights.layout import Entry, Layout, NumpyArray

CLIENTS, TURNS = 10, 7


def measure_aggregation(parameters: int) -> dict[str, float]:
    """Return ms for the mean over ten replies, both ways, and the ratio (median over turns side by side)."""
    layout = Layout((Entry("w", (parameters,), "float32"),))
    rng = np.random.default_rng(7)
    replies = [rng.standard_normal(parameters, dtype=np.float32) for _ in range(CLIENTS)]

    def ours() -> NumpyArray:
        mean = RunningMean(layout)
        for array in replies:
            mean.add({"float32": array}, 10)
        return np.frombuffer(mean.result(), np.float32)

    def numpys() -> NumpyArray:
        total = np.zeros(parameters, np.float32)
        for array in replies:
            total += np.float32(10) * array
        total /= np.float32(10 * CLIENTS)
        return total

    assert np.allclose(ours(), numpys(), atol=1e-6)
    pairs = [(_ms(ours), _ms(numpys)) for _ in range(TURNS)]
    return {
        "meadow_ms": median(a for a, _ in pairs), "numpy_ms": median(b for _, b in pairs),
        "ratio": median(a / b for a, b in pairs),
    }  # fmt: skip


def _ms(work: Callable[[], NumpyArray]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000
