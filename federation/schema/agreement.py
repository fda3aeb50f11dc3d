"""How the clients of a run agree on one schema: union of classes, common columns, merged summaries, and what misfits.

Where clients contradict each other, what most of them hold is agreed on; of as many, what the lowest client id holds.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import NamedTuple, TypeVar

from federation.schema.columns import (
    MAX_AGREED_CATEGORIES,
    MAX_CLASSES,
    MAX_MAGNITUDE,
    AgreedColumn,
    AgreedSchema,
    ClientSchema,
    Column,
    NumberSummary,
)
from federation.schema.misfits import Misfit, compared_shape, first_misfit, kind_misfit
from federation.schema.spec import MAX_INPUTS

MAX_SCHEMA_BYTES = 2**20
"""Of a schema as JSON, which is sent with each task."""

SMALLEST_DEVIATION = 1e-12
"""A deviation that is less, relative to the mean, is the rounding of a constant column."""

_K = TypeVar("_K")
_Told = dict[int, ClientSchema]


class Agreement(NamedTuple):
    """What was agreed on, which clients do not fit it, and why there is none where ``schema`` is None."""

    schema: AgreedSchema | None
    misfits: list[Misfit]
    problem: str = ""


def agree(clients: Mapping[int, ClientSchema]) -> Agreement:
    """Return what these clients, by their ids, agree on."""
    if not clients:
        return Agreement(None, [], "no client tells a schema")
    told, misfits = _alike(dict(clients))
    while conflicts := _conflicting_kinds(told):
        misfits += conflicts
        told = {client: one for client, one in told.items() if client not in {misfit.client for misfit in conflicts}}
    columns = _common_columns(told.values())
    classes = sorted({label for one in told.values() for label in one.classes})
    first = next(iter(told.values()))
    if problem := _problem(first, columns, classes):
        return Agreement(None, misfits, problem)
    mean, deviation = _standard(one.target_summary for one in told.values())
    agreed = AgreedSchema(
        form=first.form, task=first.task, target=first.target, classes=classes,
        shape=max(one.shape for one in told.values()),
        columns=[_merged_column(name, several) for name, several in columns.items()],
        target_mean=mean, target_deviation=deviation,
    )  # fmt: skip
    problem = _size_problem(agreed)
    return Agreement(None if problem else agreed, misfits, problem)


def merged_summary(summaries: Iterable[NumberSummary | None]) -> NumberSummary | None:
    """Return the summary over all that are told; None if none is."""
    told = [one for one in summaries if one is not None]
    return reduce(NumberSummary.merged, told) if told else None


def _alike(clients: _Told) -> tuple[_Told, list[Misfit]]:
    """Return the clients with the most common form, task, target and shape, and how the others differ."""
    kept, misfits = clients, list[Misfit]()
    for aspect in _ASPECTS:
        common = _most_common({client: aspect(one) for client, one in kept.items()})
        sample = next(one for one in kept.values() if aspect(one) == common)
        agreed = AgreedSchema(form=sample.form, task=sample.task, target=sample.target, shape=sample.shape)
        others = {client: one for client, one in kept.items() if aspect(one) != common}
        misfits += [found for client, one in others.items() if (found := first_misfit(client, one, agreed))]
        kept = {client: one for client, one in kept.items() if client not in others}
    return kept, misfits


_ASPECTS: tuple[Callable[[ClientSchema], object], ...] = (
    lambda one: one.form, lambda one: one.target, lambda one: one.task, lambda one: tuple(compared_shape(one)),
)  # fmt: skip


def _most_common(values: Mapping[int, _K]) -> _K:
    counts = Counter(values.values())
    lowest = {value: min(client for client, one in values.items() if one == value) for value in counts}
    return min(counts, key=lambda value: (-counts[value], lowest[value]))


def _conflicting_kinds(told: _Told) -> list[Misfit]:
    """Return the clients whose columns are of another kind than most have, each with the first such column."""
    found: dict[int, Misfit] = {}
    for several in _common_columns(told.values()).values():
        columns = dict(zip(told, several, strict=True))
        kind = _most_common({client: column.kind for client, column in columns.items()})
        for client, column in columns.items():
            if column.kind != kind:
                found.setdefault(client, kind_misfit(client, column, kind))
    return list(found.values())


def _common_columns(clients: Iterable[ClientSchema]) -> dict[str, list[Column]]:
    """Return the columns that all clients have, in the order of their names: one of each client."""
    held = [{column.name: column for column in one.columns} for one in clients]
    return {name: [columns[name] for columns in held] for name in sorted(set.intersection(*map(set, held)))}


def _categories(columns: Iterable[Column]) -> list[str]:
    return sorted({category for column in columns for category in column.categories or ()})


def _merged_column(name: str, columns: list[Column]) -> AgreedColumn:
    has_missing, kind = any(column.has_missing for column in columns), columns[0].kind
    mean, deviation = _standard(column.summary for column in columns)
    return AgreedColumn(
        name=name, kind=kind, has_missing=has_missing, mean=mean, deviation=deviation, categories=_categories(columns)
    )


def _standard(summaries: Iterable[NumberSummary | None]) -> tuple[float, float]:
    """Return the mean and the deviation to standardise with: 0 and 1 where nothing is told."""
    merged = merged_summary(summaries)
    if merged is None or not merged.count:
        return 0.0, 1.0
    deviation = min(merged.deviation, MAX_MAGNITUDE)
    return merged.mean, deviation if deviation > abs(merged.mean) * SMALLEST_DEVIATION else 1.0


def _problem(first: ClientSchema, columns: Mapping[str, list[Column]], classes: list[str]) -> str:
    """Return why nothing can be learned from what the clients have in common; empty if it can."""
    if first.form == "table" and not columns:
        return "the clients' tables have no column in common"
    for name, several in columns.items():
        if (count := len(_categories(several))) > MAX_AGREED_CATEGORIES:
            what = f"column {name} has {count:,} categories over all clients"
            return f"{what}, at most {MAX_AGREED_CATEGORIES:,} are possible: start the clients with --ignore '{name}'"
    if first.task == "classes" and len(classes) < 2:
        return f"all rows of all clients have the same {first.target}: {', '.join(classes) or 'none'}"
    if len(classes) > MAX_CLASSES:
        return f"the clients have {len(classes):,} classes of {first.target}, at most {MAX_CLASSES:,} are possible"
    return ""


def _size_problem(agreed: AgreedSchema) -> str:
    """Return why a schema is too large for a network, or for each task that is sent; empty if it is not."""
    if (inputs := math.prod(agreed.inputs)) > MAX_INPUTS:
        return f"one input has {inputs:,} values, at most {MAX_INPUTS:,} are possible"
    if (size := len(agreed.model_dump_json())) > MAX_SCHEMA_BYTES:
        most = f"at most {MAX_SCHEMA_BYTES:,} are possible: start the clients with --ignore COLUMN"
        return f"names of columns, categories and classes have {size:,} bytes over all clients, {most}"
    return ""
