"""How numbers and dates are written in a cell, and the values that they mean. A cell is text without outer spaces."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null"})
"""Cells without a value, in lower case."""

_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),?\d*(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_DAY = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T](\d{1,2}:\d{2}(?::\d{2})?))?")
_ISO = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?:[ T]\d{1,2}:\d{2}.*)?")
LONGEST = 64
"""A longer cell is neither a number nor a date."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400


class Notation(Enum):
    """A way to write numbers or dates; the order is that of preference."""

    POINT = "1234.5"
    COMMA = "1.234,5"
    GROUPED = "1,234.5"
    ISO = "2024-03-31"
    DAY_FIRST = "31.3.2024"
    MONTH_FIRST = "3/31/2024"

    def read(self, cell: str) -> float:
        """Return the number, or the days since 1970-01-01; raises ValueError for another text."""
        return _READERS[self](cell)


NUMBERS = (Notation.POINT, Notation.COMMA, Notation.GROUPED)
DATES = (Notation.ISO, Notation.DAY_FIRST, Notation.MONTH_FIRST)


def is_missing(cell: str) -> bool:
    """Say whether a cell, with or without outer spaces, has no value."""
    return cell.strip().lower() in MISSING


@lru_cache(maxsize=8192)
def notations_of(cell: str) -> frozenset[Notation]:
    """Return the notations in which a cell of at most ``LONGEST`` characters is a number or a date."""
    return frozenset(notation for notation in Notation if _is_read(notation, cell))


def _is_read(notation: Notation, cell: str) -> bool:
    try:
        notation.read(cell)
    except ValueError:
        return False
    return True


def _comma(cell: str) -> float:
    if not _COMMA.fullmatch(cell):
        raise ValueError
    return float(cell.replace(".", "").replace(",", "."))


def _grouped(cell: str) -> float:
    return float(cell.replace(",", "") if _GROUPED.fullmatch(cell) else cell)


def _iso(cell: str) -> float:
    if not (found := _ISO.fullmatch(cell)):
        raise ValueError
    day, _, time = cell.replace("T", " ", 1).partition(" ")
    year, month, date = day.split(found[1])
    return _days(f"{year}-{month:0>2}-{date:0>2}", time.strip())


def _day_first(cell: str) -> float:
    if not (found := _DAY.fullmatch(cell)):
        raise ValueError
    day, _, month, year, time = found.groups()
    return _days(f"{year}-{month:0>2}-{day:0>2}", time or "")


def _month_first(cell: str) -> float:
    if not (found := _DAY.fullmatch(cell)) or found[2] == ".":
        raise ValueError
    month, _, day, year, time = found.groups()
    return _days(f"{year}-{month:0>2}-{day:0>2}", time or "")


def _days(day: str, time: str) -> float:
    """Return the days of an ISO date and time; a time without a zone is that of UTC."""
    if time and time[1] == ":":
        time = f"0{time}"
    moment = datetime.fromisoformat(f"{day}T{time}" if time else day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() / _DAY_SECONDS


_READERS: dict[Notation, Callable[[str], float]] = {
    Notation.POINT: float, Notation.COMMA: _comma, Notation.GROUPED: _grouped,
    Notation.ISO: _iso, Notation.DAY_FIRST: _day_first, Notation.MONTH_FIRST: _month_first,
}  # fmt: skip
