"""Picks the rounds of a series that a chart, a row of bars or a comparison shows: the extremes of each bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webapp.db.repository.series import Floats, Ints, Series

DOWNSAMPLED_ABOVE, BUCKETS = 4000, 1000
MIN, P10, P90, MAX = 1, 2, 3, 4
"""Columns of a series' spread."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rounds that are shown, as positions in a series; minimum and maximum of the clients in each one's bucket."""

    positions: Ints
    min: Floats
    max: Floats


def bucket_size(rounds: int, buckets: int, above: int) -> int:
    """Return how many rounds make a bucket: one up to ``above`` rounds, else as many as give ``buckets`` buckets."""
    return -(-rounds // buckets) if rounds > above else 1


def downsample(series: Series, window: slice, size: int, keep: Sequence[int] = ()) -> Sample:
    """Keep the rounds with the lowest and the highest mean of each bucket of ``size`` rounds.

    The first and the last round of the window, one round of each bucket whose mean is not finite, and the positions
    ``keep`` stay, too.
    """
    mean, spread = series.mean[window], series.spread[window]
    if not len(mean):
        return Sample(np.array([], np.int64), np.array([]), np.array([]))
    starts = np.arange(0, len(mean), size)
    non_finite = np.flatnonzero(np.isin(series.rounds[window], list(series.non_finite)))
    chosen = np.unique(np.concatenate([
        starts + _buckets(mean, size, np.inf).argmin(axis=1), starts + _buckets(mean, size, -np.inf).argmax(axis=1),
        non_finite[np.unique(non_finite // size, return_index=True)[1]], [0, len(mean) - 1],
        [at - window.start for at in keep if window.start <= at < window.stop],
    ]).astype(np.int64))  # fmt: skip
    of_bucket = chosen // size
    return Sample(
        chosen + window.start, np.fmin.reduceat(spread[:, MIN], starts)[of_bucket],
        np.fmax.reduceat(spread[:, MAX], starts)[of_bucket],
    )  # fmt: skip


def _buckets(mean: Floats, size: int, missing: float) -> Floats:
    """Return the means as one row a bucket, with ``missing`` for those that are not finite."""
    padded = np.full(-(-len(mean) // size) * size, missing)
    padded[: len(mean)] = np.where(np.isnan(mean), missing, mean)
    return padded.reshape(-1, size)
