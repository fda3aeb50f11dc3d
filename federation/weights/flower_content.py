"""A text and named arrays as the content of a Flower message: how tasks and replies travel to stock SuperNodes."""

from collections.abc import Iterable, Sequence

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from federation.weights.layout import NumpyArray
from federation.weights.records import values_of

_TEXT, _ARRAYS = "meadow", "arrays"


class BadContent(ValueError):
    """A message's content is not of this form; the sentence says what is missing."""


def flower_arrays(named: Iterable[tuple[str, NumpyArray]]) -> ArrayRecord:
    """Return a record of Flower's own arrays, serialized: its store of objects takes no ``LazyArray``."""
    return ArrayRecord({name: Array(values) for name, values in named})


def content_of(text: str, arrays: ArrayRecord | None = None) -> RecordDict:
    """Return the content that holds a text and, where there are any, arrays."""
    content = RecordDict({_TEXT: ConfigRecord({"frame": text})})
    if arrays is not None:
        content[_ARRAYS] = arrays
    return content


def text_of(content: RecordDict) -> str:
    """Return the text of a content; raises BadContent."""
    record = content.config_records.get(_TEXT)
    text = record.get("frame") if record is not None else None
    if not isinstance(text, str):
        raise BadContent("the message holds no frame of Meadow's")
    return text


def arrays_of(content: RecordDict, names: Sequence[str]) -> list[NumpyArray]:
    """Return the arrays of a content in the order of ``names``; raises BadContent where others or none are there."""
    record = content.array_records.get(_ARRAYS, ArrayRecord())
    if set(record) != set(names):
        raise BadContent(f"the message holds the arrays {', '.join(sorted(record))[:200] or 'none'}")
    return [values_of(record[name]) for name in names]
