"""Which partitions simulated clients take."""

from collections.abc import Collection

from federation.learning.partitions import most_partitions
from webapp.operations.simulation.app_clients import Work
from webapp.problems import Invalid

Part = tuple[int, int]
"""Which part of how many, from 0."""


def free_parts(held: Collection[Part], count: int) -> list[Part]:
    """Choose partitions that no client holds, as far as there are any, of the same number of partitions."""
    parts = max(2, count, *(of for _, of in held)) if held else max(2, count)
    taken = {part for part, of in held if of == parts}
    order = sorted(range(parts), key=lambda part: part in taken)
    return [(order[place % parts], parts) for place in range(count)]


def check_parts(work: Work, parts: int) -> None:
    """Raise Invalid where a dataset has too few samples for so many partitions; an app cuts its data itself."""
    most = most_partitions(work) if isinstance(work, str) else None
    if most is not None and parts > most:
        raise Invalid("count", f"{work} can be cut for at most {most:,} clients")
