"""The sums and counts that a client tells of its rows where its person lets it, never of fewer rows than a minimum."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.options import Sharing
from federation.schema.columns import MAX_MAGNITUDE, NumberSummary
from federation.schema.statistics import BINS, CELLS, FINEST, Bins


def summary_of(values: NDArray[np.float64], sharing: Sharing) -> NumberSummary | None:
    """Return the sums over the values that are there; None where they are not told."""
    present = values[~np.isnan(values)]
    if not sharing.statistics or len(present) < max(1, sharing.min_rows):
        return None
    mean = float(np.clip(present.mean(), -MAX_MAGNITUDE, MAX_MAGNITUDE))
    squares = float(np.square(present - mean).sum())
    return NumberSummary(count=len(present), missing=len(values) - len(present), mean=mean, squares=squares)


def counts_of(names: Sequence[str], codes: NDArray[np.integer[Any]], sharing: Sharing) -> dict[str, int | None] | None:
    """Return the rows of each name that is there, None for a number that is not told; None where nothing is told.

    The total of the rows is known. So that it does not tell a number that is too small, numbers are withheld, the
    smallest first, until those that are withheld make up the minimum together.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    if not sharing.statistics or counts.sum() < max(1, sharing.min_rows):
        return None
    there = {name: int(count) for name, count in zip(names, counts, strict=True) if count}
    return dict(zip(there, told_counts(list(there.values()), sharing), strict=True))


def told_counts(counts: Sequence[int], sharing: Sharing) -> list[int | None]:
    """Return numbers of rows whose total is known, None for those that are not told."""
    told: list[int | None] = list(counts)
    withheld = 0
    for place in sorted(range(len(counts)), key=lambda one: counts[one]):
        if counts[place] < sharing.min_rows or 0 < withheld < sharing.min_rows:
            told[place] = None
            withheld += counts[place]
    return told


def histogram(values: NDArray[np.float64], bins: Bins, sharing: Sharing) -> list[int | None] | None:
    """Return the rows in each cell of the bins; None where nothing is told: too few rows, or bins that are too fine."""
    present = values[~np.isnan(values)]
    if not sharing.statistics or len(present) < max(1, sharing.min_rows):
        return None
    if bins.width * FINEST < float(present.std()):
        return None
    places = np.floor((np.clip(present, -1e38, 1e38) - bins.first) / bins.width)
    counts = np.bincount((np.clip(places, -1, BINS) + 1).astype(np.int64), minlength=CELLS)
    return told_counts(counts.tolist(), sharing)
