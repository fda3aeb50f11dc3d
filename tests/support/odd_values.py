"""Values of every type and size, and the places in a document where a schema lets something stand.

Both ends of a test are derived: a new field of a message, a body or a form is met without a change here.
"""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")

MISSING = object()
"""The field is taken out instead."""

VALUES: tuple[Any, ...] = (
    MISSING, None, True, False, 0, 5, -1, 1.5, 2**31, 2**63, 10**400, math.nan, math.inf, -math.inf, 1e308, 5e-324,
    "", "5", "text", "<b>'\"&{{7*7}}", "\x00", "\ud800", "\u202e\u200b\n", "x" * 100_000, [], [None], [[[]]], ["5"],
    [1] * 1000, {}, {"a": None}, {"": {"a": [1]}}, {str(number): number for number in range(300)},
)  # fmt: skip

FUZZ_SECONDS = float(os.environ.get("MEADOW_FUZZ_SECONDS", "0"))
"""Set: every value at every place, and so many seconds of made-up calls."""

Place = tuple[str | int, ...]
"""Where a value stands in a document: names of fields, and indexes of lists."""


def sampled(cases: Sequence[_T], step: int) -> Sequence[_T]:
    """Return each ``step``-th case; all if they are wanted.

    With a step that has no factor in common with the number of values, all values and all places are among them.
    """
    return cases if FUZZ_SECONDS else cases[::step]


def places(schema: dict[str, Any]) -> list[Place]:
    """Return every place that a JSON schema describes; a free mapping has one with the name x."""
    definitions = schema.get("$defs", {})
    return list(dict.fromkeys(_below(schema, definitions, ())))


def _below(schema: dict[str, Any], definitions: dict[str, Any], at: Place) -> Iterator[Place]:
    if len(at) > 5:
        return
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]:
        yield from _below(branch, definitions, at)
    inner: dict[str | int, Any] = dict(schema.get("properties", {}))
    if schema.get("additionalProperties"):
        inner["x"] = schema["additionalProperties"]
    if schema.get("items"):
        inner[0] = schema["items"]
    inner.update(enumerate(schema.get("prefixItems", ())))
    for name, below in inner.items():
        yield (*at, name)
        if isinstance(below, dict):
            yield from _below(below, definitions, (*at, name))


def put(document: Any, place: Place, value: Any) -> Any:
    """Return the document with another value at a place; what leads there is made where it is missing."""
    name, *rest = place
    made: Any = _list_with(document, name) if isinstance(name, int) else {name: None, **_mapping(document)}
    if rest:
        made[name] = put(made[name], tuple(rest), value)
    elif value is MISSING:
        del made[name]
    else:
        made[name] = value
    return made


def _mapping(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else {}


def _list_with(document: Any, index: int) -> list[Any]:
    present = list(document) if isinstance(document, list | tuple) else []
    return present + [None] * (index + 1 - len(present))
