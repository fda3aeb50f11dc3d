"""What people do with the records of runs: note, tag, put away, take back, delete. Training knows nothing of it."""

import re
from collections.abc import Sequence
from typing import Any

from federation.run.states import ACTIVE
from webapp.db.database import Database, Session
from webapp.db.repository.events import add_event
from webapp.db.repository.run_list import runs_of, set_archived
from webapp.db.repository.runs import set_values
from webapp.db.tables import Run
from webapp.operations.runs import Runs, get_run
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import is_one_line

MAX_NOTE, MAX_TAGS, MAX_TAG = 2000, 10, 30
_TAG = re.compile(r"\w[\w .:/+#-]*")


class Shelf:
    """The records of runs. Each change is told to the pages that are open."""

    def __init__(self, database: Database, runs: Runs) -> None:
        self._database, self._runs = database, runs

    def note(self, run_id: int, text: str) -> None:
        """Write a run's note; lines stay lines. Raises NotFound, Invalid."""
        note = clean_note(text)
        with self._database.write() as session:
            run = get_run(session, run_id)
            set_values(session, run_id, note=note)
            _tell(session, run, "note")

    def tag(self, run_id: int, tags: Sequence[str]) -> None:
        """Give a run these tags and no others. Raises NotFound, Invalid."""
        wanted = clean_tags(tags)
        with self._database.write() as session:
            run = get_run(session, run_id)
            set_values(session, run_id, tags=wanted)
            _tell(session, run, "tags")

    def write(self, run_id: int, note: str, tags: Sequence[str]) -> None:
        """Write note and tags, both or none of them. Raises NotFound, Invalid."""
        wanted: dict[str, Any] = {"note": clean_note(note), "tags": clean_tags(tags)}
        with self._database.write() as session:
            run = get_run(session, run_id)
            changed = {name: value for name, value in wanted.items() if getattr(run, name) != value}
            if changed:
                set_values(session, run_id, **changed)
            for name in changed:
                _tell(session, run, name)

    def archive(self, run_ids: Sequence[int]) -> list[int]:
        """Put ended runs away from the list; return which. Queued and active ones stay."""
        return self._move(run_ids, archived=True)

    def restore(self, run_ids: Sequence[int]) -> list[int]:
        """Take runs back into the list; return which."""
        return self._move(run_ids, archived=False)

    def delete(self, run_ids: Sequence[int]) -> list[int]:
        """Remove runs with all that belongs to them; return which. Active ones stay."""
        gone = []
        for run_id in dict.fromkeys(run_ids):
            try:
                self._runs.delete(run_id)
            except (Conflict, NotFound):
                continue
            gone.append(run_id)
        return gone

    def _move(self, run_ids: Sequence[int], *, archived: bool) -> list[int]:
        with self._database.write() as session:
            changed = set_archived(session, run_ids, archived=archived)
            for run in runs_of(session, changed):
                _tell(session, run, "archive" if archived else "restore")
        return changed


def clean_note(text: str) -> str:
    """Return a note with plain line ends and without control characters; raises Invalid."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    note = "\n".join("".join(c if is_one_line(c) else " " for c in line).rstrip() for line in lines).strip()
    if len(note) > MAX_NOTE:
        raise Invalid("note", f"must have at most {MAX_NOTE} characters, it has {len(note)}")
    return note


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags without blanks around them and none twice; raises Invalid."""
    wanted = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(wanted) > MAX_TAGS:
        raise Invalid("tags", f"must be at most {MAX_TAGS}, they are {len(wanted)}")
    for tag in wanted:
        if len(tag) > MAX_TAG:
            raise Invalid("tags", f"must have at most {MAX_TAG} characters each: {tag[:MAX_TAG]}… has {len(tag)}")
        if not _TAG.fullmatch(tag):
            raise Invalid("tags", f"{tag}: must begin with a letter or digit and have only these and . : / + # - _")
    return wanted


def is_active(run: Run) -> bool:
    """Say whether a run is under way: such a one is neither put away nor deleted."""
    return run.state in ACTIVE


def _tell(session: Session, run: Run, asked: str) -> None:
    data = {"state": run.state, "reason": run.reason, "blocked_on": run.blocked_on, "asked": asked}
    add_event(session, "run", data, run_id=run.id)
