"""How a person says that data are to be read, and what may be told of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from federation.schema.columns import TaskKind

DEFAULT_IMAGE_SIZE, DEFAULT_MIN_ROWS = 32, 10


@dataclass(frozen=True)
class Options:
    """How data are read. ``target`` is the column of a table that is predicted.

    ``ignore`` are columns that are left out, ``category`` columns whose numbers are names; both are names or patterns
    such as ``id_*``. Without a ``task`` the target's values say it. Images become squares with sides of ``image_size``.
    """

    target: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    task: TaskKind | None = None
    image_size: int = DEFAULT_IMAGE_SIZE


@dataclass(frozen=True)
class Sharing:
    """Whether sums over the rows are told to the server, and over how many rows at least."""

    statistics: bool = False
    min_rows: int = DEFAULT_MIN_ROWS


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a name is among names and patterns."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
