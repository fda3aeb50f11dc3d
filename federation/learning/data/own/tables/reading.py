"""Reads a table in two passes over its file: first what its columns are, then their values."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.names import name_of
from federation.learning.data.own.options import Options, matches
from federation.learning.data.own.refusals import BadData, leave_out
from federation.learning.data.own.tables.columns import Format, Survey
from federation.learning.data.own.tables.features import Feature
from federation.learning.data.own.tables.headers import names_of_columns, used_columns
from federation.learning.data.own.tables.notations import DATES, is_missing
from federation.learning.data.own.tables.table import Table
from federation.learning.data.own.targets import Target, target_of_names, target_of_numbers
from federation.schema.columns import MAX_CLASSES, MAX_COLUMNS
from federation.schema.misfits import KINDS

log = logging.getLogger(__name__)

PART_CELLS = 200_000
"""Cells that are in memory as text at the same time."""

MAX_CELLS = 100_000_000
"""Each takes at most eight bytes."""

CHANGED = "the file has changed while it was read: start again when it is complete"


class Records(Protocol):
    """The rows of a file, the names of its columns included, as cells of text; each iteration reads the file anew."""

    @property
    def delimiter(self) -> str:
        """What separates cells in the file."""

    @property
    def unreadable(self) -> frozenset[str]:
        """Columns that are no text; their cells are empty."""

    def __iter__(self) -> Iterator[list[str]]: ...


class _Part(NamedTuple):
    """Some rows: their numbers in the file, and their cells by column."""

    rows: Sequence[int]
    cells: Sequence[Sequence[str]]


def read_table(records: Records, options: Options) -> Table:
    """Read a table; raises BadData."""
    return _Reader(records, options).read()


class _Reader:
    def __init__(self, records: Records, options: Options) -> None:
        self._records, self._options = records, options
        target = name_of(options.target) if options.target is not None else None
        first = next((record for record in records if _has_text(record)), None)
        if first is None:
            raise BadData("the file is empty")
        names, self._is_named = names_of_columns(first, target)
        self._width = len(names)
        self._places = used_columns(names, target, options.ignore)
        self._target = target or ""
        if unreadable := [name for name in self._places if name in records.unreadable]:
            raise BadData(f"column {unreadable[0]} holds lists, structures or bytes: leave it out with "
                          f"{leave_out(unreadable[0])}")  # fmt: skip
        if not 2 <= len(self._places) <= MAX_COLUMNS + 1:
            raise BadData(f"{len(self._places) - 1:,} columns beside the target {target}: there must be 1 to "
                          f"{MAX_COLUMNS:,}; --ignore leaves columns out, also by a pattern such as --ignore "
                          f"'x*'")  # fmt: skip

    def read(self) -> Table:
        """Return the table."""
        surveys = self._survey()
        target = surveys.pop(self._target)
        if not (rows := target.present):
            raise BadData(f"no row has a value in the target column {self._target}")
        formats = {self._target: self._format_of_target(target)}
        formats |= {name: self._format(survey) for name, survey in surveys.items() if survey.present}
        if len(formats) < 2:
            raise BadData(f"all columns but the target {self._target} are empty")
        values = self._values(formats, rows)
        empty = [name for name in surveys if name not in formats]
        kinds = Counter(format.kind for name, format in formats.items() if name != self._target)
        log.info(
            "table: %d rows; columns: %s%s",
            rows, ", ".join(f"{number} of {KINDS[kind]}" for kind, number in sorted(kinds.items())),
            f"; empty, so not used: {', '.join(empty)}" if empty else "",
        )  # fmt: skip
        features = [Feature(name, format, values[name]) for name, format in formats.items() if name != self._target]
        return Table(self._target_of(formats[self._target], values[self._target]), tuple(features))

    def _survey(self) -> dict[str, Survey]:
        surveys = {name: Survey(name) for name in self._places}
        surveys[self._target] = Survey(self._target, MAX_CLASSES, "say --task classes")
        cells = 0
        for part in self._parts(tell=True):
            cells += len(part.rows) * len(surveys)
            if cells > MAX_CELLS:
                raise BadData(f"the table has more than {MAX_CELLS:,} cells: leave columns out with --ignore, or "
                              "divide the rows among several clients")  # fmt: skip
            for name, survey in surveys.items():
                survey.take(part.cells[self._places[name]], part.rows)
        return surveys

    def _format(self, survey: Survey) -> Format:
        is_category = matches(survey.name, self._options.category)
        return survey.format_of(None if is_category else survey.notation(self._records.delimiter))

    def _format_of_target(self, survey: Survey) -> Format:
        delimiter, task = self._records.delimiter, self._options.task
        if task == "classes":
            notation = survey.fitting(delimiter)
            return survey.format_of(None if notation in DATES else notation, "classes")
        notation = survey.notation(delimiter, is_number=task == "number")
        if notation in DATES:
            raise BadData(f"the target {survey.name} holds dates: choose another --target, or say --task classes")
        return survey.format_of(notation, "classes")

    def _target_of(self, format: Format, values: NDArray[Any]) -> Target:
        if format.notation is None:
            return target_of_names(self._target, format.names, values)
        return target_of_numbers(self._target, values, self._options.task)

    def _values(self, formats: dict[str, Format], rows: int) -> dict[str, NDArray[Any]]:
        values: dict[str, NDArray[Any]] = {
            name: np.empty(rows, np.int32 if format.notation is None else np.float64)
            for name, format in formats.items()
        }
        done = 0
        for part in self._parts():
            end = done + len(part.rows)
            try:
                for name, format in formats.items():
                    values[name][done:end] = format.read(name, part.cells[self._places[name]], part.rows)
            except ValueError as error:
                raise error if isinstance(error, BadData) else BadData(CHANGED) from None
            done = end
        if done != rows:
            raise BadData(CHANGED)
        return values

    def _parts(self, *, tell: bool = False) -> Iterator[_Part]:
        """Yield the rows that have a target, part by part."""
        size = max(1, PART_CELLS // self._width)
        rows, records, without_target = list[int](), list[list[str]](), 0
        for number, record in self._rows():
            if is_missing(record[self._places[self._target]]):
                without_target += 1
                continue
            rows.append(number)
            records.append(record)
            if len(rows) == size:
                yield _Part(rows, list(zip(*records, strict=True)))
                rows, records = [], []
        if rows:
            yield _Part(rows, list(zip(*records, strict=True)))
        if without_target and tell:
            log.warning("%d rows have no value in the target %s: they are not used", without_target, self._target)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows below the names that are not blank, with their numbers in the file, from 1."""
        is_header = self._is_named
        for number, record in enumerate(self._records, 1):
            if not _has_text(record):
                continue
            if not is_header:
                yield number, self._checked(record, number)
            is_header = False

    def _checked(self, record: list[str], number: int) -> list[str]:
        if len(record) == self._width:
            return record
        if len(record) > self._width and not _has_text(record[self._width :]):
            return record[: self._width]
        raise BadData(f"row {number:,} has {len(record):,} cells, the first row has {self._width:,}: correct it, or "
                      "put quotation marks around cells with a delimiter")  # fmt: skip


def _has_text(record: Sequence[str]) -> bool:
    return any(cell and not cell.isspace() for cell in record)
