"""The contents of Flower messages: a text and named arrays, as Meadow's own app gets them, or what other apps get."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from federation.weights.layout import LayoutMismatch, NumpyArray
from federation.weights.records import values_of

_TEXT, _ARRAYS, _CONFIG = "meadow", "arrays", "config"

NOT_FOR_APPS = ("clients", "app_config", "node_app")
"""Fields of a task's config that a message has not; the options in ``app_config`` stand among its other fields."""


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


def arrays_content(arrays: ArrayRecord) -> RecordDict:
    """Return the content that holds arrays only."""
    return RecordDict({_ARRAYS: arrays})


def config_for_apps(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a task's config for an app, without those that have no value."""
    return {k: v for k, v in config.items() if v is not None and k not in NOT_FOR_APPS}


def plain_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as a ConfigRecord takes them: it holds no dictionary."""
    return {k: json.dumps(v) if isinstance(v, dict) else v for k, v in config.items()}


def app_content(config: Mapping[str, Any], arrays: ArrayRecord | None) -> RecordDict:
    """Return the content of a task for an app, as Flower's strategies send it."""
    options = config.get("app_config") or {}
    content = RecordDict({_CONFIG: ConfigRecord(plain_values(config_for_apps(config) | options))})
    if arrays is not None:
        content[_ARRAYS] = arrays
    return content


def app_answer(content: RecordDict) -> tuple[dict[str, Any], Any, ArrayRecord | None]:
    """Return metrics, number of examples and arrays of an app's reply; raises LayoutMismatch for several records."""
    metrics, arrays = dict[str, Any](), list[ArrayRecord]()
    for record in content.values():  # its views by type copy themselves
        if isinstance(record, ArrayRecord):
            arrays.append(record)
        elif isinstance(record, MetricRecord):
            metrics.update(record)
    examples = metrics.pop("num-examples", None)
    if len(arrays) > 1:
        raise LayoutMismatch(f"the reply holds {len(arrays)} array records: return one ArrayRecord")
    return metrics, examples, arrays[0] if arrays else None
