"""Series of a metric as the database would give them, made up."""

from collections.abc import Mapping, Sequence

import numpy as np

from webapp.db.repository.series import ROW, Series


def make_series(
    mean: Sequence[float], non_finite: Mapping[int, str] | None = None, **columns: Sequence[float]
) -> Series:
    """Return a series of the rounds from 0 on."""
    rows = np.zeros(len(mean), ROW)
    rows["round"] = np.arange(len(mean))
    for name, values in (columns | {"mean": mean}).items():
        rows[name] = values
    return Series(rows, dict(non_finite or {}))
