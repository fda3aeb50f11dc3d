"""Long lists: the first few rows, or a page of all of them; `cut_sign` in marks.html says which rows are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from webapp.formatting import count

T = TypeVar("T")
U = TypeVar("U")
FEW, PAGE = 12, 50


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """Some rows of a list. ``page`` counts the pages of the whole list from 1; 0 stands for its first few rows."""

    rows: Sequence[T]
    total: int
    page: int = 0

    def with_rows(self, rows: Sequence[U]) -> "Cut[U]":
        """Return this part of a list with something else in place of each row."""
        return Cut(rows, self.total, self.page)

    @property
    def shown(self) -> str:
        """Which rows are shown: ``12 of 43``, ``51–100 of 1,000``, ``all 43``."""
        first = max(0, self.page - 1) * PAGE
        if len(self.rows) == self.total:
            return f"all {count(self.total)}"
        range_ = f"{count(first + 1)}–{count(first + len(self.rows))}" if self.page else count(len(self.rows))
        return f"{range_} of {count(self.total)}"

    @property
    def is_long(self) -> bool:
        """Whether the whole list is longer than its first few rows."""
        return self.total > FEW

    @property
    def is_last(self) -> bool:
        """Whether no row comes after these."""
        return max(0, self.page - 1) * PAGE + len(self.rows) >= self.total


def neighbours(offset: int, total: int, page: int, address: Callable[[int], str]) -> tuple[str, str]:
    """Return the addresses of the pages of a list before and after the one at an offset; empty where there is none."""
    after = offset + page
    return address(max(0, offset - page)) if offset else "", address(after) if total > after else ""


def cut(rows: Sequence[T], page: int = 0) -> Cut[T]:
    """Return a page of a list, or its first few rows; a page that the list does not have is its last one."""
    if page < 1:
        return Cut(rows[:FEW], len(rows))
    page = max(1, min(page, -(-len(rows) // PAGE)))
    return Cut(rows[(page - 1) * PAGE : page * PAGE], len(rows), page)
