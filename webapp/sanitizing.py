"""What comes from strangers, made fit for tables, logs and spreadsheets."""

import csv
import re
import unicodedata
from collections.abc import Iterable
from io import StringIO
from math import isfinite
from typing import Any

JOINERS = "\u200c\u200d"
"""Persian needs the one, many an emoji the other; neither turns the direction of what follows."""

MAX_DEPTH, MAX_ITEMS, MAX_TEXT = 4, 200, 1000
COLOURS = re.compile("\x1b\\[[0-9;]*m")
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def is_one_line(text: str) -> bool:
    """Say whether every character is written on the line: letters, blanks of any script, and what joins them."""
    return text.isprintable() or all(_is_written(c) for c in text)


def _is_written(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text on one line, without control characters, cut to ``limit``."""
    cut = text[: 4 * limit]
    if cut.isprintable():
        return cut.strip()[:limit]
    return "".join(c if _is_written(c) else " " for c in cut if not "\ud800" <= c <= "\udfff").strip()[:limit]


def clean_line(text: str, limit: int = MAX_TEXT) -> str:
    """Return one line of a log or of code as ``clean_text`` does, with its indentation and without colours."""
    plain = COLOURS.sub("", text).expandtabs(4)
    body = plain.lstrip(" ")
    return (" " * (len(plain) - len(body)) + clean_text(body, limit))[:limit]


def clean_json(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON that any database holds: no NaN, no control characters, bounded in depth and length."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, float):
        return value if isfinite(value) else None
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {clean_text(str(key), 100): clean_json(one, depth + 1) for key, one in items}
    if isinstance(value, list | tuple):
        return [clean_json(one, depth + 1) for one in value[:MAX_ITEMS]]
    return None


def whole_number(text: object, least: int = 0, most: int = 2**53 - 1) -> int | None:
    """Return the number that a text writes in ASCII digits alone; None where it does not, or out of bounds."""
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 16:
        return None
    return number if least <= (number := int(text)) <= most else None


def csv_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as lines of CSV; texts of strangers in them have passed ``csv_cell``."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
