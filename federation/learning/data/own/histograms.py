"""How many rows of a client lie in common bins, never told for fewer rows than a minimum."""

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.options import Sharing
from federation.learning.data.own.summaries import told_counts
from federation.schema.statistics import BINS, CELLS, FINEST, Bins


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
