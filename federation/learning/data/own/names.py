"""Names of columns, categories and classes: one form of each, and which texts may be one."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from federation.learning.data.own.refusals import BadData, leave_out
from federation.schema.columns import MAX_NAME_CHARACTERS, Name

_NAME = TypeAdapter[str](Name)
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\xad"))
"""A mark of the byte order, a space without width and a soft hyphen, which files keep of other programs."""


@lru_cache(maxsize=8192)
def name_of(text: str) -> str:
    """Return the name that a text means: without outer and double spaces, with one form of each letter."""
    name = unicodedata.normalize("NFC", " ".join(text.translate(_INVISIBLE).split()))
    return name.lower() if name.lower() in ("true", "false") else name


def is_name(text: str) -> bool:
    """Say whether a text can name a column, category or class."""
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True


def checked_names(column: str, names: Sequence[str], most: int, what: str) -> tuple[str, ...]:
    """Return the names of a column's categories or classes; raises BadData for too many or too long ones."""
    advice = f"leave it out with {leave_out(column)}" if what == "categories" else "choose another --target"
    if len(names) > most:
        raise BadData(f"column {column} holds text with more than {most:,} different values, at most {most:,} {what} "
                      f"are possible: {advice}")  # fmt: skip
    if not all(map(is_name, names)):
        raise BadData(f"column {column} holds text of more than {MAX_NAME_CHARACTERS:,} characters, or control "
                      f"characters: {advice}")  # fmt: skip
    return tuple(names)
