"""Runs in groups by the value of a setting. Which settings there are follows from ``RunConfig``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from federation.run.config import SHOWN
from webapp.db.repository.run_list import Grouping
from webapp.db.tables import Run
from webapp.formatting import NOTHING
from webapp.pages.start.fields import FIELDS, Field

EXPERIMENT = "experiment"
_ONE_VALUE = ("choice", "integer", "number", "string")
_GROUPED = {name: field for name, field in FIELDS.items() if field.kind in _ONE_VALUE and name != "name"}
CHOICES = [(EXPERIMENT, "Experiment"), *(
    (name, f"{name.partition('.')[0]}: {field.shown.label}" if "." in name else field.shown.label)
    for name, field in _GROUPED.items()
)]  # fmt: skip
"""What runs can be grouped by: the name in the address, and its words."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a group: the value that its runs have in common, and how many runs of the list have it."""

    text: str
    runs: int


def is_grouping(name: str) -> bool:
    """Return whether runs can be grouped by it."""
    return name in dict(CHOICES)


def grouping_of(name: str) -> Grouping | None:
    """Return where the database finds the setting; None for no setting."""
    if name == EXPERIMENT:
        return Grouping(())
    if name not in _GROUPED:
        return None
    path = ("strategy_options", name.partition(".")[2]) if "." in name else (name,)
    return Grouping(path, _GROUPED[name].kind in ("integer", "number"), tuple(_needs(_GROUPED[name])))


def _needs(field: Field) -> list[tuple[str, tuple[str, ...]]]:
    found, shown = [], field.shown
    while shown.when:
        other, *values = shown.when
        found.append((other, tuple(values)))
        shown = SHOWN[other]
    return found


def value_of(run: Run, name: str) -> Any:
    """Return what a run is grouped by; None where the setting does not apply to the run, or has no value."""
    if name == EXPERIMENT:
        return run.experiment_id
    config: Mapping[str, Any] = run.config
    if not _GROUPED[name].applies(config):
        return None
    value = config["strategy_options"].get(name.partition(".")[2]) if "." in name else config.get(name)
    return float(value) if isinstance(value, int | float) else value or None


def text_of(run: Run, name: str) -> str:
    """Write what a run is grouped by."""
    value, label = value_of(run, name), dict(CHOICES)[name]
    if name == EXPERIMENT:
        return "No experiment" if value is None else f"Experiment {value}"
    if value is None:
        return f"{label}: {_GROUPED[name].shown.empty or NOTHING}"
    return f"{label}: {_GROUPED[name].written(value)}"


def heads_of(runs: Sequence[Run], name: str, amounts: Mapping[Any, int]) -> dict[int, Head]:
    """Return the heads by the run before which they stand: the first one of each group."""
    heads: dict[int, Head] = {}
    for value, group in groupby(runs, key=lambda run: value_of(run, name)):
        first = next(group)
        heads[first.id] = Head(text_of(first, name), amounts.get(value, 0))
    return heads
