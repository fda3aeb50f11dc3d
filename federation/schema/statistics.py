"""What a statistics run asks of clients with own data, and what they answer: counts of rows in common bins.

Bins come from the mean and deviation of all clients, which are told already, and from no smallest or largest value,
which would be that of one row. Their width is a power of two, and they begin at a multiple of it, so that small changes
of mean and deviation, as a further client makes them, seldom change them.
"""

import math
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from federation.schema.columns import MAX_MAGNITUDE, Name, NumberSummary, Rows, Told

BINS: Final = 32
CELLS: Final = BINS + 2
"""The bins, and the rows below the first one and above the last one."""
STEP: Final = 8
"""The middle of the bins is a multiple of so many widths."""
MAX_ASKED: Final = 300
"""Columns with a histogram; a table may have more, which have the other statistics."""
FINEST: Final = 16.0
"""So many bins may at most make up a client's own standard deviation."""


class Bins(Told):
    """``BINS`` bins of one ``width`` from ``first`` on; a value on an edge is in the bin above it."""

    first: Annotated[float, Field(ge=-100 * MAX_MAGNITUDE, le=100 * MAX_MAGNITUDE)]
    width: Annotated[float, Field(gt=0, le=MAX_MAGNITUDE)]

    @model_validator(mode="after")
    def _are_coarse(self) -> Self:
        if math.frexp(self.width)[0] != 0.5 or math.fmod(self.first, STEP * self.width) != 0:
            raise ValueError("bins have a power of two as their width, and begin at a multiple of it")
        return self

    @classmethod
    def around(cls, summary: NumberSummary) -> "Bins | None":
        """Return bins for at least three deviations to both sides of the mean; None for a constant column."""
        deviation = summary.deviation
        if deviation <= max(abs(summary.mean) * 1e-9, 1e-30):
            return None
        width = 2.0 ** math.floor(math.log2(deviation / 2))
        middle = round(summary.mean / (STEP * width)) * STEP * width
        return cls(first=middle - BINS / 2 * width, width=width)

    @property
    def edges(self) -> list[float]:
        """The edges, one more than there are bins."""
        return [self.first + place * self.width for place in range(BINS + 1)]


class StatisticsQuestion(Told):
    """The bins of each column of numbers or dates, and of a target that is a number."""

    bins: Annotated[dict[Name, Bins], Field(max_length=MAX_ASKED)]


Histogram = Annotated[list[Rows | None], Field(min_length=CELLS, max_length=CELLS)]
"""Rows below the bins, in each of them, and above; None where they are fewer than the client tells."""
Histograms = Annotated[dict[Name, Histogram], Field(max_length=MAX_ASKED)]
