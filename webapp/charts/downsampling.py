"""Picks the rounds of a series that a chart, a row of bars or a comparison shows: the extremes of each bucket."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from webapp.db.repository.series import Series

DOWNSAMPLED_ABOVE, BUCKETS = 4000, 1000


class Sample(NamedTuple):
    """The rounds that are shown, as positions in a series; minimum and maximum of the clients in each one's bucket."""

    positions: npt.NDArray[np.int64]
    min: npt.NDArray[np.float64]
    max: npt.NDArray[np.float64]


def bucket_size(rounds: int, buckets: int, above: int) -> int:
    """Return how many rounds make a bucket: one up to ``above`` rounds, else as many as give ``buckets`` buckets."""
    return -(-rounds // buckets) if rounds > above else 1


def downsample(series: Series, window: slice, size: int, keep: Sequence[int] = ()) -> Sample:
    """Keep the rounds with the lowest and the highest mean of each bucket of ``size`` rounds.

    The first and the last round of the window, one round of each bucket whose mean is not finite, and the positions
    ``keep`` stay, too.
    """
    rows = series.rows[window]
    starts = np.arange(0, len(rows), size)
    if not len(starts):
        return Sample(starts, np.array([]), np.array([]))
    non_finite = np.flatnonzero(np.isin(rows["round"], list(series.non_finite)))
    chosen = np.unique(np.concatenate([
        starts + _buckets(rows["mean"], size, np.inf).argmin(axis=1),
        starts + _buckets(rows["mean"], size, -np.inf).argmax(axis=1),
        non_finite[np.unique(non_finite // size, return_index=True)[1]], [0, len(rows) - 1],
        [at - window.start for at in keep if window.start <= at < window.stop],
    ]).astype(np.int64))  # fmt: skip
    low, high = np.fmin.reduceat(rows["min"], starts), np.fmax.reduceat(rows["max"], starts)
    return Sample(chosen + window.start, low[chosen // size], high[chosen // size])


def _buckets(mean: npt.NDArray[Any], size: int, missing: float) -> npt.NDArray[np.float64]:
    """Return the means as one row for each bucket, with ``missing`` for those that are not finite."""
    padded = np.full(-(-len(mean) // size) * size, missing)
    padded[: len(mean)] = np.where(np.isnan(mean), missing, mean)
    return padded.reshape(-1, size)
