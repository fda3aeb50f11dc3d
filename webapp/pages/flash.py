"""What an action did, in a sentence, on the page that comes after it; with what undoes it, where that is possible."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.formatting import plural
from webapp.pages.wording import listed


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence; ``undo`` is the address that a form posts ``ids`` to."""

    text: str
    undo: str = ""
    ids: Sequence[int] = ()
    back: str = ""


def archived(ids: Sequence[int], kept: int, back: str) -> Said:
    """Say which runs were put away, and how many stayed."""
    stayed = f" {plural(kept, 'run')} stayed: only one that is over can be put away." if kept else ""
    if not ids:
        return Said(f"Nothing was archived.{stayed}")
    return Said(f"Archived {plural(len(ids), 'run')}: {numbers(ids)}.{stayed}", "/runs/restore", ids, back)


def restored(ids: Sequence[int], back: str) -> Said:
    """Say which runs are in the list again."""
    return Said(f"{numbers(ids)} {'is' if len(ids) == 1 else 'are'} in the list again.", "/runs/archive", ids, back)


def deleted(amount: int, kept: int) -> Said:
    """Say how many runs are gone."""
    stayed = f" {plural(kept, 'run')} stayed: stop it first, then delete it." if kept else ""
    return Said(f"Deleted {plural(amount, 'run')} for good.{stayed}")


def numbers(ids: Sequence[int]) -> str:
    """Write runs by their numbers: ``#3, #4 and #7``."""
    return listed([f"#{run_id}" for run_id in ids], 6)
