"""A column of features: what a server may know of it, and the inputs of a network that it becomes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.options import Sharing
from federation.learning.data.own.summaries import counts_of, summary_of
from federation.learning.data.own.tables.columns import Format
from federation.schema.columns import AgreedColumn, Column

Inputs = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Feature:
    """A column of numbers, nan where there is none, or of places among the names of its format, -1 for none."""

    name: str
    format: Format
    values: NDArray[Any]

    def subset(self, rows: NDArray[np.int64]) -> "Feature":
        """Return the column of these rows."""
        return replace(self, values=self.values[rows])

    def told(self, sharing: Sharing) -> Column:
        """Return what a server may know."""
        if self.format.kind == "category":
            used = [self.format.names[place] for place in np.unique(self.values[self.values >= 0])]
            has_missing, counts = bool((self.values < 0).any()), counts_of(self.format.names, self.values, sharing)
            return Column(
                name=self.name, kind="category", has_missing=has_missing, categories=used, counts=counts
            )  # fmt: skip
        has_missing, summary = bool(np.isnan(self.values).any()), summary_of(self.values, sharing)
        return Column(name=self.name, kind=self.format.kind, has_missing=has_missing, summary=summary)

    def inputs(self, rows: NDArray[np.int64], agreed: AgreedColumn) -> Inputs:
        """Return the inputs of these rows, (n, ``agreed.features``)."""
        if agreed.kind == "category":
            return self._category_inputs(self.values[rows], agreed)
        values = self.values[rows]
        missing = np.isnan(values)
        standardised = np.where(missing, 0.0, (values - agreed.mean) / agreed.deviation)
        return np.stack([standardised, missing] if agreed.has_missing else [standardised], axis=1).astype(np.float32)

    def _category_inputs(self, codes: NDArray[np.int32], agreed: AgreedColumn) -> Inputs:
        """Return a 1 at the place of each row's category; the last place is that of others and of missing ones."""
        places = {name: place for place, name in enumerate(agreed.categories)}
        other = len(places)
        # a missing one has the code -1, which is the last place
        of_codes = np.array([*(places.get(name, other) for name in self.format.names), other], np.int64)
        return np.eye(other + 1, dtype=np.float32)[of_codes[codes]]
