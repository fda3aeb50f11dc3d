"""Curves over seeds: the mean of several runs by round, one standard deviation around it, and over how many it is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from webapp.db.repository.series import Series

MOST_ROUNDS = 1000


class BandView(BaseModel):
    """The curve of one configuration over its completed runs. All lists are of one length."""

    configuration: int
    rounds: list[int]
    mean: list[float | None]
    low: list[float | None] = Field(description="The mean minus one standard deviation (n - 1); null for one run.")
    high: list[float | None]
    runs: list[int] = Field(description="The number of runs that the mean is over.")


def band_of(configuration: int, series: Sequence[Series]) -> BandView:
    """Return the band of runs of one configuration; of long runs every so many rounds, and the last one."""
    rounds = np.unique(np.concatenate([one["round"] for one in series])) if series else np.zeros(0, np.int64)
    step = -(-len(rounds) // MOST_ROUNDS) or 1
    rounds = np.unique(np.concatenate([rounds[::step], rounds[-1:]]))
    values = np.full((len(series), len(rounds)), np.nan)
    for row, one in zip(values, series, strict=True):
        _, there, here = np.intersect1d(rounds, one["round"], assume_unique=True, return_indices=True)
        row[there] = one["mean"][here]
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    mean = np.divide(np.nansum(values, axis=0), n, out=np.full(len(rounds), np.nan), where=n > 0)
    squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
    deviation = np.sqrt(np.divide(squares, n - 1, out=np.full(len(rounds), np.nan), where=n > 1))
    low, high = _finite(mean - deviation), _finite(mean + deviation)
    return BandView(
        configuration=configuration, rounds=rounds.tolist(), mean=_finite(mean), low=low, high=high, runs=n.tolist()
    )


def _finite(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
