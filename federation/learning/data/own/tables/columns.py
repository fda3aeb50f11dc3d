"""One column of a table: what its cells are, found out in a first pass over the file, and their values, in a second."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.names import checked_names, name_of
from federation.learning.data.own.refusals import BadData, leave_out
from federation.learning.data.own.tables.notations import DATES, LONGEST, NUMBERS, Notation, is_missing, notations_of
from federation.schema.columns import MAX_CATEGORIES, MAX_MAGNITUDE, MAX_NAME_CHARACTERS, ColumnKind

FEW = 4
"""A column of which at most one cell in so many is no number is one of numbers with mistakes."""

QUOTED = 40
"""So many characters of a cell are shown to its person."""


@dataclass(frozen=True)
class Format:
    """How a column is read: as numbers or dates in a notation, or without one as names."""

    notation: Notation | None
    names: tuple[str, ...] = ()

    @property
    def kind(self) -> ColumnKind:
        """What the column is to the clients of a run."""
        return "category" if self.notation is None else "date" if self.notation in DATES else "number"

    def read(self, column: str, cells: Sequence[str], rows: Sequence[int]) -> NDArray[np.float64] | NDArray[np.int32]:
        """Return the values of cells, nan or -1 for those without one.

        Raises BadData for infinite and too large numbers, and ValueError for cells that are not of this format.
        """
        if self.notation is not None:
            return _checked(column, _numbers(self.notation, cells), rows)
        places = {name: place for place, name in enumerate(self.names)}
        codes = [-1 if is_missing(cell) else places.get(name_of(cell), len(places)) for cell in cells]
        if max(codes, default=-1) == len(places):
            raise ValueError("a category that was not there before")
        return np.array(codes, np.int32)


def _numbers(notation: Notation, cells: Sequence[str]) -> NDArray[np.float64]:
    if notation is Notation.POINT:
        try:
            return np.array([float(cell) for cell in cells])
        except ValueError:  # some are missing
            pass
    return np.array([np.nan if is_missing(cell) else notation.read(cell.strip()) for cell in cells])


def _checked(column: str, values: NDArray[np.float64], rows: Sequence[int]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        too_large = np.flatnonzero(np.abs(values) > MAX_MAGNITUDE)
    if len(too_large):
        raise BadData(f"row {rows[int(too_large[0])]:,}, column {column}: the number is infinite or above "
                      f"{MAX_MAGNITUDE:g}: correct or empty it, or leave the column out with "
                      f"{leave_out(column)}")  # fmt: skip
    return values


class Survey:
    """What the cells of a column are; ``take`` is called for each part of the table.

    At most ``most_names`` different cells and one more are kept. ``advice`` ends what is said of numbers with mistakes.
    """

    def __init__(self, name: str, most_names: int = MAX_CATEGORIES, advice: str = "") -> None:
        self.name = name
        self.present = 0
        self._advice = advice or f"name the column with --category or {leave_out(name)}"
        self._most_names = most_names
        self._names = set[str]()
        self._misses = Counter[Notation]()
        self._first_miss: dict[Notation, tuple[int, str]] = {}

    def take(self, cells: Sequence[str], rows: Sequence[int]) -> None:
        """Look at the next cells, which are in these rows of the file."""
        if not self._take_plain_numbers(cells, rows):
            for cell, row in zip(cells, rows, strict=True):
                self._take_cell(cell.strip(), row)

    def _take_plain_numbers(self, cells: Sequence[str], rows: Sequence[int]) -> bool:
        """Take cells that Python reads as finite numbers, all at once; return whether they were."""
        try:
            values = np.array([float(cell) for cell in cells])
        except ValueError:
            return False
        if not np.isfinite(values).all() or "_" in "".join(cells):
            return False
        self.present += len(cells)
        self._remember(cells)
        self._miss(Notation.COMMA, sum("." in cell for cell in cells), rows[0], cells[0])
        for notation in DATES:
            self._miss(notation, len(cells), rows[0], cells[0])
        return True

    def _take_cell(self, cell: str, row: int) -> None:
        if is_missing(cell):
            return
        if cell.startswith("="):
            raise BadData(f"row {row:,}, column {self.name}: the cell holds a formula: save the table with values only")
        self.present += 1
        self._remember([cell])
        read = notations_of(cell) if len(cell) <= LONGEST else frozenset[Notation]()
        for notation in Notation:
            self._miss(notation, notation not in read, row, cell)

    def _miss(self, notation: Notation, misses: int, row: int, cell: str) -> None:
        if misses:
            self._misses[notation] += misses
            self._first_miss.setdefault(notation, (row, cell[:QUOTED]))

    def _remember(self, cells: Sequence[str]) -> None:
        for cell in cells:
            if len(self._names) > self._most_names:
                return
            self._names.add(name_of(cell[: MAX_NAME_CHARACTERS + 1]))

    def fitting(self, delimiter: str) -> Notation | None:
        """Return the notation in which every cell is a number or a date; None if there is none.

        Raises BadData for dates of which nothing says whether day or month comes first.
        """
        fitting = [one for one in Notation if not self._misses[one]]
        if fitting[:1] == [Notation.COMMA] and Notation.GROUPED in fitting and delimiter == ",":
            return Notation.GROUPED  # "1,234" in a file that writes commas between cells
        if Notation.DAY_FIRST in fitting and Notation.MONTH_FIRST in fitting:
            raise BadData(
                f"column {self.name}: nothing says whether day or month comes first: write dates as 2024-03-31"
            )
        return fitting[0] if fitting else None

    def notation(self, delimiter: str, *, is_number: bool = False) -> Notation | None:
        """Return the notation of the column, None for text; raises BadData for numbers or dates with mistakes.

        ``is_number``: what is no number is a mistake, however many there are.
        """
        fitting = self.fitting(delimiter)
        if fitting is not None and not (is_number and fitting in DATES):
            return fitting
        for notations, what in ((NUMBERS, "number"), (DATES, "date")):
            closest = min(notations, key=lambda one: self._misses[one])
            if self._misses[closest] * FEW <= self.present or is_number:
                row, cell = self._first_miss[closest]
                raise BadData(f"row {row:,}, column {self.name}: the cell is no {what}: correct or empty it, or "
                              f"{self._advice}", repr(cell))  # fmt: skip
        return None

    def format_of(self, notation: Notation | None, what: str = "categories") -> Format:
        """Return the format of the column in that notation; raises BadData for names that are too many or too long."""
        if notation is not None:
            return Format(notation)
        return Format(None, checked_names(self.name, sorted(self._names), self._most_names, what))
