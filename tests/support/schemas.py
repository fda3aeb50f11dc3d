"""Schemas as clients tell them of their own data."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Values = np.ndarray[Any, np.dtype[np.float64]]


def summary(values: Values, missing: int = 0) -> dict[str, Any]:
    """Return the summary of numbers as a client that shares statistics tells it."""
    mean = float(values.mean())
    return {"count": len(values), "missing": missing, "mean": mean, "squares": float(((values - mean) ** 2).sum())}


def table(numbers: Mapping[str, Values | None], *more: dict[str, Any], classes: tuple[str, ...] = ("no", "yes"),
          counts: dict[str, int | None] | None = None, rows: int = 20) -> dict[str, Any]:  # fmt: skip
    """Return the schema of a table with columns of numbers, and ``more`` of other kinds; None: not shared."""
    columns = [
        {"name": name, "kind": "number", "has_missing": False}
        | ({"summary": summary(values)} if values is not None else {})
        for name, values in numbers.items()
    ]
    return {
        "form": "table", "task": "classes", "target": "outcome", "classes": list(classes), "rows": rows,
        "columns": [*columns, *more], "shape": [], **({"class_counts": counts} if counts else {}),
    }  # fmt: skip


def texts(name: str, *categories: str) -> dict[str, Any]:
    """Return a column of texts."""
    return {"name": name, "kind": "category", "has_missing": False, "categories": list(categories)}
