"""Compared runs in groups by the value of a setting, with the mean of each group."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.charts.seed_statistics import Sample
from webapp.formatting import plural
from webapp.pages.comparison.table import Side
from webapp.pages.measure import Measure
from webapp.pages.runs.grouping import CHOICES, text_of, value_of


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the compared runs in their order; ``text`` is empty where they are all of them."""

    text: str
    sides: list[Side]
    summary: str = ""


def choices_of(sides: Sequence[Side]) -> list[tuple[str, str]]:
    """Return what the runs can be grouped by: the settings in which they differ, and their experiment."""
    return [(name, word) for name, word in CHOICES if len({value_of(side.run, name) for side in sides}) > 1]


def groups_of(sides: Sequence[Side], measure: Measure, name: str) -> list[Group]:
    """Return the groups by the values of a setting, in the order of their first runs; without one a single group."""
    if not name:
        return [Group("", list(sides))]
    groups: dict[str, list[Side]] = {}
    for side in sides:
        groups.setdefault(text_of(side.run, name), []).append(side)
    return [Group(text, of, _summary(of, measure)) for text, of in groups.items()]


def _summary(sides: Sequence[Side], measure: Measure) -> str:
    sample = Sample({side.run.id: side.best for side in sides if side.best is not None})
    said = plural(len(sides), "run")
    if sample.mean is None:
        return said
    spread = sample.deviation
    around = "" if spread is None else f" ± {measure.amount(spread)}"
    return f"{said}, best {measure.word} {measure.write(sample.mean)}{around} (mean of {sample.n:,})"
