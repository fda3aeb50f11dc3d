"""A table in memory: its target and its columns of features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.options import Sharing
from federation.learning.data.own.tables.features import Feature, Inputs
from federation.learning.data.own.targets import Target
from federation.schema.columns import AgreedSchema, Column, Form


@dataclass(frozen=True, eq=False)
class Table:
    """The rows that have a target."""

    target: Target
    features: tuple[Feature, ...]
    form: Form = "table"
    shape: tuple[int, ...] = ()

    def columns(self, sharing: Sharing) -> list[Column]:
        """Return what a server may know of the columns."""
        return [feature.told(sharing) for feature in self.features]

    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """Return the columns of numbers and dates, nan where there is none."""
        return {one.name: one.values for one in self.features if one.format.kind != "category"}

    def subset(self, rows: NDArray[np.int64]) -> "Table":
        """Return the table of these rows."""
        return Table(self.target.subset(rows), tuple(feature.subset(rows) for feature in self.features))

    def inputs(self, rows: NDArray[np.int64], agreed: AgreedSchema) -> Inputs:
        """Return these rows as a network takes them, (n, features)."""
        held = {feature.name: feature for feature in self.features}
        return np.concatenate([held[column.name].inputs(rows, column) for column in agreed.columns], axis=1)
