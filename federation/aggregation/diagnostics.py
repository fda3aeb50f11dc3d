"""What a round's updates and metrics say of its clients: length and direction of each update, and fairness.

Measured beside the aggregation, which does not depend on it.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from federation.run.events import Metrics
from federation.run.metric_goals import MetricGoals
from federation.run.metric_names import DEVIATION, UPDATE_COSINE, UPDATE_NORM, WORST_TENTH
from federation.weights.layout import Flats, NumpyArray

KEPT_VALUES = 1 << 24
"""Of all updates of a round together at most so many values are kept for the cosines, 64 MiB in float32."""

BLOCK = 8192
"""Values of a dot product: few enough for the cache, and for BLAS to start no thread."""


class UpdateDiagnostics:
    """Norms of a round's updates, and their cosines to the mean update, weighted by samples.

    ``sent`` are the weights of the task, ``clients`` says how many updates may come. A norm is that of all
    floating-point values. For the cosines every update is kept, because the mean is known only at the end; where they
    are more than ``kept_values`` together, every n-th value of each is kept, with an odd n, for the cosine of these.
    """

    def __init__(self, sent: Flats, clients: int, kept_values: int = KEPT_VALUES) -> None:
        self._sent = {dtype: flat for dtype, flat in sent.items() if flat.dtype.kind == "f"}
        values = sum(flat.size for flat in self._sent.values())
        self.stride = -(-values * clients // kept_values) | 1 if values * clients > kept_values else 1
        self._dtype = np.result_type(np.float32, *self._sent)
        self._rows: dict[int, tuple[NumpyArray, int, float]] = {}

    def add(self, client_id: int, flats: Flats, weight: int) -> None:
        """Take an accepted update, which counts as ``weight`` samples; its arrays are not kept."""
        with np.errstate(all="ignore"):
            steps = [np.subtract(flats[dtype], sent, dtype=self._dtype) for dtype, sent in self._sent.items()]
            norm = math.sqrt(sum(_dot(step, step) for step in steps))
            row = steps[0] if len(steps) == self.stride == 1 else np.concatenate([s[:: self.stride] for s in steps])
        self._rows[client_id] = row, weight, norm

    def result(self) -> dict[int, Metrics]:
        """Return client -> its metrics; a cosine is missing where one of the two vectors is zero or overflows."""
        if not self._rows or not self._sent:
            return {}
        rows = [row for row, _, _ in self._rows.values()]
        with np.errstate(all="ignore"):
            cosines = _cosines_to_mean(rows, [weight for _, weight, _ in self._rows.values()])
        found: dict[int, Metrics] = {}
        for (client_id, (_, _, norm)), cosine in zip(self._rows.items(), cosines, strict=True):
            found[client_id] = {UPDATE_NORM: norm} | ({UPDATE_COSINE: cosine} if math.isfinite(cosine) else {})
        self._rows = {}
        return found


def _dot(one: NumpyArray, other: NumpyArray) -> float:
    return sum(float(np.dot(one[at : at + BLOCK], other[at : at + BLOCK])) for at in range(0, one.size, BLOCK))


def _cosines_to_mean(rows: Sequence[NumpyArray], weights: Sequence[int]) -> list[float]:
    """Return the cosine of each row to the weighted mean of all; block by block, so that the rows are read once."""
    shares = np.array(weights, np.float64) / sum(weights)
    products, own, of_mean = np.zeros(len(rows)), np.zeros(len(rows)), 0.0
    for at in range(0, rows[0].size, BLOCK):
        blocks = [row[at : at + BLOCK] for row in rows]
        mean = np.zeros(blocks[0].size, blocks[0].dtype)
        for block, share in zip(blocks, shares, strict=True):
            mean += block * block.dtype.type(share)
        of_mean += float(np.dot(mean, mean))
        products += [np.dot(block, mean) for block in blocks]
        own += [np.dot(block, block) for block in blocks]
    cosines: list[float] = np.clip(products / (np.sqrt(own) * math.sqrt(of_mean)), -1.0, 1.0).tolist()
    return cosines


def fairness_of(replies: Iterable[Metrics], goals: MetricGoals) -> Metrics:
    """Return the spread of the clients' metrics, each client counted once: ``accuracy_std``, ``accuracy_worst_10``.

    The first is the standard deviation over the clients of the round, the second the mean of the worst tenth of them,
    rounded up to one client at least. Only of metrics of which it is known which values are better.
    """
    values: dict[str, list[float]] = {}
    for metrics in replies:
        for name, value in metrics.items():
            if math.isfinite(value):
                values.setdefault(name, []).append(value)
    found: Metrics = {}
    for name, of_clients in values.items():
        if (less := goals.less_is_better(name)) is not None:
            worst = sorted(of_clients, reverse=less)[: -(-len(of_clients) // 10)]
            with np.errstate(over="ignore"):
                found[name + DEVIATION] = float(np.std(of_clients))
                found[name + WORST_TENTH] = float(np.mean(worst))
    return found
