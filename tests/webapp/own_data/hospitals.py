"""Clients with tables of their own, as they tell of them, and how they join."""

import numpy as np

from tests.support.dashboard import Dashboard
from tests.support.light_client import Stage
from tests.support.schemas import table

RNG = np.random.default_rng(3)
AGES = [RNG.normal(60, 15, rows) for rows in (190, 211, 168)]
SIZES = [RNG.normal(1e6, 3.0, rows) for rows in (190, 211, 168)]
COUNTS: list[dict[str, int | None]] = [{"no": 100, "yes": 90}, {"no": 111, "yes": 100}, {"no": 160, "yes": None}]


def join(dashboard: Dashboard, stage: Stage, dataset: str, **schemas: object) -> None:
    """Let clients with schemas of their own data join one after the other."""
    for name, schema in schemas.items():
        stage.add(name, dataset=dataset, schema=schema)
        dashboard.wait_for_clients(len(stage.clients))


def hospitals() -> dict[str, object]:
    """Return three clients whose tables have the same columns in another order; the last one lacks one of them."""
    numbers = [{"age": ages, "size": sizes} for ages, sizes in zip(AGES, SIZES, strict=True)]
    told = [table(n, counts=c, rows=len(n["age"])) for n, c in zip(numbers, COUNTS, strict=True)]
    told[1]["columns"].reverse()
    told[0]["columns"].append({"name": "extra", "kind": "number"})
    return dict(zip(("north", "south", "west"), told, strict=True))
