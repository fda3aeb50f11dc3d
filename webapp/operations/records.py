"""What people keep beside a run: note, tags, archive; and deletion. Training reads none of it."""

import re
from collections.abc import Sequence
from typing import Any

from federation.run.states import ACTIVE
from webapp.db.database import Database
from webapp.db.repository.run_list import runs_of, set_archived
from webapp.db.repository.runs import set_values
from webapp.db.tables import Run
from webapp.operations.run_moves import add_request_event, get_run
from webapp.operations.runs import Runs
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import is_one_line

MAX_NOTE, MAX_TAGS, MAX_TAG = 2000, 10, 30
_TAG = re.compile(r"\w[\w .:/+#-]*")


class RunRecords:
    """The records of runs. Each change is an event, so that open pages show it."""

    def __init__(self, database: Database, runs: Runs) -> None:
        self._database, self._runs = database, runs

    def write(self, run_id: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> None:
        """Replace a run's note, its tags, or both of them; None leaves one as it is. Raises NotFound, Invalid.

        Where one of the two is invalid, neither is written. A note keeps its line breaks.
        """
        wanted: dict[str, Any] = {} if note is None else {"note": clean_note(note)}
        if tags is not None:
            wanted["tags"] = clean_tags(tags)
        with self._database.write() as session:
            run = get_run(session, run_id)
            changed = {name: value for name, value in wanted.items() if getattr(run, name) != value}
            if changed:
                set_values(session, run_id, **changed)
            for name in changed:
                add_request_event(session, run, name)

    def archive(self, run_ids: Sequence[int]) -> list[int]:
        """Archive runs that are over and return their ids; queued and active runs stay in the list."""
        return self._move(run_ids, archived=True)

    def restore(self, run_ids: Sequence[int]) -> list[int]:
        """Take archived runs back into the list and return their ids."""
        return self._move(run_ids, archived=False)

    def delete(self, run_ids: Sequence[int]) -> list[int]:
        """Delete runs with their metrics, events and weights, and return their ids; active runs stay."""
        deleted = []
        for run_id in dict.fromkeys(run_ids):
            try:
                self._runs.delete(run_id)
            except (Conflict, NotFound):
                continue
            deleted.append(run_id)
        return deleted

    def _move(self, run_ids: Sequence[int], *, archived: bool) -> list[int]:
        with self._database.write() as session:
            changed = set_archived(session, run_ids, archived=archived)
            for run in runs_of(session, changed):
                add_request_event(session, run, "archive" if archived else "restore")
        return changed


def clean_note(text: str) -> str:
    """Return a note with LF line ends and without control characters; raises Invalid."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    note = "\n".join("".join(c if is_one_line(c) else " " for c in line).rstrip() for line in lines).strip()
    if len(note) > MAX_NOTE:
        raise Invalid("note", f"must have at most {MAX_NOTE:,} characters, you entered {len(note):,}")
    return note


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags without surrounding blanks, each once; raises Invalid."""
    wanted = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(wanted) > MAX_TAGS:
        raise Invalid("tags", f"must be at most {MAX_TAGS}, you entered {len(wanted)}")
    for tag in wanted:
        if len(tag) > MAX_TAG:
            raise Invalid("tags", f"must have at most {MAX_TAG} characters each: {tag[:MAX_TAG]}… has {len(tag)}")
        if not _TAG.fullmatch(tag):
            raise Invalid("tags", f"{tag}: use a letter or digit first, then letters, digits, spaces and . : / + # - _")
    return wanted


def is_active(run: Run) -> bool:
    """Say whether a run is under way: an active run is neither archived nor deleted."""
    return run.state in ACTIVE
