"""The names of a table's columns: in its first row, or by their number where it has none; and which is the target."""

import difflib
from collections.abc import Sequence

from federation.learning.data.own.names import is_name, name_of
from federation.learning.data.own.options import matches
from federation.learning.data.own.refusals import BadData, leave_out
from federation.learning.data.own.tables.notations import LONGEST, notations_of

MANY_COLUMNS = 100_000
SHOWN = 20
"""So many names are listed in an answer."""


def names_of_columns(first: Sequence[str], target: str | None) -> tuple[list[str], bool]:
    """Return the names of the columns, "" for one without, and whether they are in the first record.

    Without names in the file they are 1, 2, 3 and so on.
    """
    names = [name_of(cell) for cell in first]
    numbers = [str(number) for number in range(1, len(first) + 1)]
    named = not any(_is_value(cell) for cell in first) or _counts(names) or (target in names and target not in numbers)
    if len(names) > MANY_COLUMNS:
        raise BadData(f"the table has {len(names):,} columns, at most {MANY_COLUMNS:,} are possible")
    if bad := [at for at, name in enumerate(names, 1) if named and name and not is_name(name)]:
        raise BadData(f"the name of column {bad[0]:,} is longer than 200 characters or has control characters")
    return (names, True) if named else (numbers, False)


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    return len(cell) <= LONGEST and bool(notations_of(cell))


def _counts(names: Sequence[str]) -> bool:
    """Say whether the names are 0, 1, 2 and so on: pandas writes so for columns without names."""
    start = 1 if names[0] == "" else 0
    return len(names) > start + 1 and list(names[start:]) == [str(number) for number in range(len(names) - start)]


def used_columns(names: Sequence[str], target: str | None, ignored: Sequence[str]) -> dict[str, int]:
    """Return the place of each column that is used, the target's included; raises BadData.

    ``ignored`` are names, or patterns such as ``id_*``. A column without a name is not used.
    """
    used = {place: name for place, name in enumerate(names) if name and (name == target or not matches(name, ignored))}
    if target is None or target not in used.values():
        raise _no_target(target, list(used.values()))
    places: dict[str, int] = {}
    for place, name in used.items():
        if name in places:
            raise BadData(
                f"columns {places[name] + 1:,} and {place + 1:,} have the same name {name}: rename one, or leave both "
                f"out with {leave_out(name)}"
            )
        places[name] = place
    return places


def _no_target(target: str | None, names: Sequence[str]) -> BadData:
    """Return the refusal; the names are private, for a file without them has a row of data in their place."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    listed = f"there are {', '.join(names[:SHOWN])}{more}"
    if target is None:
        return BadData("say with --target which column is to be predicted", listed)
    close = difflib.get_close_matches(target, names[:2000], 1)
    return BadData(f"there is no column {target} in the first row: correct --target; in a table without names columns "
                   "are called 1, 2, 3 and so on", f"do you mean {close[0]}?" if close else listed)  # fmt: skip
