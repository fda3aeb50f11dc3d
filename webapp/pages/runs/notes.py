"""What people wrote beside a run, as a form: the values, and what is wrong with them."""

from dataclasses import dataclass

from webapp.db.tables import Run
from webapp.operations.records import MAX_NOTE, MAX_TAG, MAX_TAGS
from webapp.problems import Invalid


@dataclass(frozen=True, slots=True)
class NotesForm:
    """Note and tags of a run as they stand in the one form. ``wrong`` is the field that ``error`` is about."""

    run: Run
    note: str
    tags: str
    wrong: str = ""
    error: str = ""
    max_note: int = MAX_NOTE
    max_tags: int = MAX_TAGS
    max_tag: int = MAX_TAG


def notes_form(run: Run, error: Invalid | None = None, **typed: str) -> NotesForm:
    """Return the form of a run, with what was typed in place of what is kept."""
    note, tags = typed.get("note", run.note), typed.get("tags", ", ".join(run.tags))
    one = error.fields[0] if error is not None else None
    return NotesForm(run, note, tags, wrong=one.field if one else "", error=one.message if one else "")
