"""The sums that a client tells of its rows where its person lets it, never over fewer rows than a minimum."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.options import Sharing
from federation.schema.columns import MAX_MAGNITUDE, NumberSummary


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
    told: dict[str, int | None] = {name: int(count) for name, count in zip(names, counts, strict=True) if count}
    withheld = 0
    for name, count in sorted(told.items(), key=lambda one: one[1] or 0):
        if count is not None and (count < sharing.min_rows or 0 < withheld < sharing.min_rows):
            told[name] = None
            withheld += count
    return told
