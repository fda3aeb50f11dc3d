"""What is predicted: the classes or the numbers of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.names import checked_names
from federation.schema.columns import MAX_CLASSES, AgreedSchema, TaskKind

FEW_NUMBERS = 20
"""Whole numbers are classes where they are at most so many, and each is there twice on average."""


@dataclass(frozen=True, eq=False)
class Target:
    """The target of each row: places in ``classes`` (n,), which are sorted, or without classes numbers (n,)."""

    name: str
    values: NDArray[Any]
    classes: tuple[str, ...] = ()

    @property
    def task(self) -> TaskKind:
        """What a network predicts."""
        return "classes" if self.classes else "number"

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, rows: NDArray[np.int64]) -> "Target":
        """Return the targets of these rows, with the classes that they have."""
        if not self.classes:
            return replace(self, values=self.values[rows])
        used, codes = np.unique(self.values[rows], return_inverse=True)
        return replace(self, values=codes.astype(np.int32), classes=tuple(self.classes[place] for place in used))

    def labels(self, agreed: AgreedSchema) -> NDArray[Any]:
        """Return what a network learns: int32 places among the agreed classes, or float32 standardised numbers."""
        if self.classes:
            places = {name: place for place, name in enumerate(agreed.classes)}
            return np.array([places[name] for name in self.classes], np.int32)[self.values.astype(np.int64)]
        return ((self.values - agreed.target_mean) / agreed.target_deviation).astype(np.float32)


def target_of_numbers(name: str, numbers: NDArray[np.float64], task: TaskKind | None) -> Target:
    """Return numbers as the target; without a ``task`` they are classes if they are few whole numbers."""
    different, codes = np.unique(numbers, return_inverse=True)
    if task is None:
        few = len(different) <= min(FEW_NUMBERS, max(2, len(numbers) // 2))
        task = "classes" if few and bool((different == np.floor(different)).all()) else "number"
    if task == "number":
        return Target(name, numbers)
    return target_of_names(name, [class_of(one) for one in different.tolist()], codes)


def target_of_names(name: str, names: Sequence[str], codes: NDArray[np.integer[Any]]) -> Target:
    """Return classes as the target; ``codes`` (n,) are places in ``names``. Raises BadData for too many."""
    classes = sorted(set(names))
    checked_names(name, classes, MAX_CLASSES, "classes")
    places = np.array([classes.index(one) for one in names], np.int32)
    return Target(name, places[codes], tuple(classes))


def class_of(number: float) -> str:
    """Return the name of the class that a number is: 1, not 1.0."""
    return str(int(number)) if number == int(number) else str(number)
