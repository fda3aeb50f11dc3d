"""The form of a run's note and tags: its values, and what is wrong with one of them."""

from dataclasses import dataclass

from webapp.db.tables import Run
from webapp.operations.records import MAX_NOTE, MAX_TAG, MAX_TAGS
from webapp.problems import Invalid


@dataclass(frozen=True, slots=True)
class NotesForm:
    """The values of the form. ``wrong`` is the name of the field that ``error`` is about."""

    run: Run
    note: str
    tags: str
    wrong: str = ""
    error: str = ""
    max_note: int = MAX_NOTE
    max_tags: int = MAX_TAGS
    max_tag: int = MAX_TAG


def notes_form(run: Run, error: Invalid | None = None, **typed: str) -> NotesForm:
    """Return the form of a run, with the values that a person typed in place of the stored ones."""
    note, tags = typed.get("note", run.note), typed.get("tags", ", ".join(run.tags))
    one = error.fields[0] if error is not None else None
    return NotesForm(run, note, tags, wrong=one.field if one else "", error=one.message if one else "")
