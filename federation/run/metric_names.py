"""Which metrics of a reply are kept, under which names, and why others are not; the names of measurements."""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from federation.run.events import Metrics
from federation.run.pooling import MAX_COUNTS

MAX_METRICS, MAX_NAME, MAX_LIST = 100, 100, 20

UPDATE_NORM: Final = "update_norm"
UPDATE_COSINE: Final = "update_cosine"
"""Train metrics that the server computes: the Euclidean norm of a client's update, and its cosine to the mean update of
the round, weighted by samples."""
LOSS_BEFORE: Final = "loss_before"
LOSS_AFTER: Final = "loss_after"
"""Train metrics of the client: the loss on all of its training samples, of the weights that it got and of those that it
sends."""
DEVIATION: Final = "_std"
WORST_TENTH: Final = "_worst_10"
"""Ends of the names of evaluation metrics that the server computes over the clients of a round."""

NO_NAME = f'the name must have 1 to {MAX_NAME} printable characters, without " and \\'
NO_NUMBER, LONG_LIST, TOO_MANY = "no number", f"a list of more than {MAX_LIST:,}", f"over {MAX_METRICS:,} metrics"
SHOWN_NAMES, SHOWN_CHARACTERS = 5, 40


def clean_metrics(metrics: Mapping[str, object]) -> tuple[Metrics, dict[str, list[str]]]:
    """Return the numbers with valid names, at most ``MAX_METRICS``, and reason -> names of the others.

    A short list becomes ``name[0]``, ``name[1]`` and so on. NaN and infinities stay. Counts by which metrics are pooled
    are neither kept nor dropped.
    """
    kept: Metrics = {}
    dropped: dict[str, list[str]] = {}
    for name, value in metrics.items():
        if name in MAX_COUNTS:
            continue
        if type(value) is float and len(kept) < MAX_METRICS and len(name) <= MAX_NAME and _is_printable(name):
            kept[name] = value  # nearly all are
            continue
        refusal = _refusal(name, value)
        numbers = {} if refusal is not None else dict(_numbers(name, value))
        if refusal is None and len(kept) + len(numbers) > MAX_METRICS:
            refusal = TOO_MANY
        if refusal is not None:
            dropped.setdefault(refusal, []).append(name)
        else:
            kept |= numbers
    return kept, dropped


def dropped_sentence(reason: str, names: list[str]) -> str:
    """Say which metrics were dropped and why; names are cut, and written so that no character acts."""
    shown = ", ".join(ascii(name[:SHOWN_CHARACTERS]) if not name.isprintable() else name[:SHOWN_CHARACTERS] or "''"
                      for name in names[:SHOWN_NAMES])  # fmt: skip
    more = f" and {len(names) - SHOWN_NAMES:,} others" if len(names) > SHOWN_NAMES else ""
    return f"metrics were dropped: {shown}{more} ({reason})"


def _refusal(name: str, value: object) -> str | None:
    if len(name) > MAX_NAME or not _is_printable(name):
        return NO_NAME
    if isinstance(value, list):
        if len(value) > MAX_LIST:
            return LONG_LIST
        if len(f"{name}[{len(value)}]") > MAX_NAME:
            return NO_NAME
        return None if value and all(map(is_number, value)) else NO_NUMBER
    return None if is_number(value) else NO_NUMBER


@lru_cache(maxsize=1024)
def _is_printable(name: str) -> bool:
    """Return whether a name of at most ``MAX_NAME`` characters is valid, cached because all replies have the same."""
    return name != "" and name.isprintable() and name == name.strip() and not set('"\\') & set(name)


def is_number(value: object) -> bool:
    """Return whether a value can be a metric; a truth value cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, list):
        yield from ((f"{name}[{index}]", _as_float(one)) for index, one in enumerate(value))
    else:
        yield name, _as_float(value)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond float64
        return math.inf if value > 0 else -math.inf
