"""What people keep beside a run: name, note, tags, archive; and deletion. Training reads none of it."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.db.database import Database, Session
from webapp.db.repository.run_list import runs_of, set_archived
from webapp.db.repository.runs import set_values
from webapp.db.tables import Run, RunContents
from webapp.operations.run_moves import add_request_event, get_run
from webapp.operations.runs import Runs
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import is_one_line

MAX_NAME, MAX_NOTE, MAX_TAGS, MAX_TAG = 100, 2000, 10, 30
_TAG = re.compile(r"\w[\w .:/+#-]*")


@dataclass(frozen=True, slots=True)
class Changed:
    """What a request for many runs did: the ids of the runs that it changed, and the others by the reason."""

    ids: list[int]
    unchanged: dict[str, list[int]]


class RunRecords:
    """The records of runs. Each change is an event, so that open pages show it; ``by`` is the person's name."""

    def __init__(self, database: Database, runs: Runs, by: str | None = None) -> None:
        self._database, self._runs, self._by = database, runs, by

    def rename(self, run_id: int, name: str) -> None:
        """Give a run another name; raises NotFound, Invalid."""
        wanted = " ".join(name.split())
        if not wanted or len(wanted) > MAX_NAME or not is_one_line(wanted):
            raise Invalid("name", f"must have 1 to {MAX_NAME:,} characters")
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.name != wanted:
                set_values(session, run_id, name=wanted)
                add_request_event(session, run, "rename", self._by, to=wanted)

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
                add_request_event(session, run, name, self._by)

    def pin(self, run_id: int, *, pinned: bool) -> None:
        """Keep a run's checkpoints and events whatever its age, or let them expire again.

        Raises NotFound, and Conflict where they were removed already.
        """
        with self._database.write() as session:
            run = get_run(session, run_id)
            if pinned and run.contents != RunContents.WHOLE:
                raise Conflict(f"The checkpoints and events of run {run_id} were removed already.")
            if run.pinned != pinned:
                set_values(session, run_id, pinned=pinned)
                add_request_event(session, run, "pin" if pinned else "unpin")

    def archive(self, run_ids: Sequence[int]) -> Changed:
        """Archive runs that are over; queued and active runs stay in the list."""
        return self._move(run_ids, archived=True)

    def restore(self, run_ids: Sequence[int]) -> Changed:
        """Take archived runs back into the list."""
        return self._move(run_ids, archived=False)

    def delete(self, run_ids: Sequence[int]) -> Changed:
        """Delete runs with their metrics, events and weights; active runs stay."""
        deleted = []
        for run_id in dict.fromkeys(run_ids):
            try:
                self._runs.delete(run_id, self._by)
            except (Conflict, NotFound):
                continue
            deleted.append(run_id)
        with self._database.read() as session:
            return _changed(session, run_ids, deleted, lambda run: f"{run.state}, stop the run first")

    def _move(self, run_ids: Sequence[int], *, archived: bool) -> Changed:
        with self._database.write() as session:
            changed = set_archived(session, run_ids, archived=archived)
            for run in runs_of(session, changed):
                add_request_event(session, run, "archive" if archived else "restore", self._by)
            return _changed(session, run_ids, changed, _why_not_archived if archived else lambda _: "not archived")


def _changed(session: Session, wanted: Sequence[int], changed: Collection[int], why: Callable[[Run], str]) -> Changed:
    """Return what changed, with the reason of each run that did not; ``why`` gives that of a run that exists."""
    others = [run_id for run_id in dict.fromkeys(wanted) if run_id not in changed]
    known = {run.id: run for run in runs_of(session, others)}
    unchanged: dict[str, list[int]] = {}
    for run_id in others:
        reason = why(known[run_id]) if run_id in known else "not found"
        unchanged.setdefault(reason, []).append(run_id)
    return Changed(list(changed), unchanged)


def _why_not_archived(run: Run) -> str:
    return "already archived" if run.archived_at is not None else f"{run.state}, only ended runs can be archived"


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
        raise Invalid("tags", f"must be at most {MAX_TAGS:,}, you entered {len(wanted)}")
    for tag in wanted:
        if len(tag) > MAX_TAG:
            raise Invalid("tags", f"must have at most {MAX_TAG:,} characters each: {tag[:MAX_TAG]}… has {len(tag)}")
        if not _TAG.fullmatch(tag):
            raise Invalid("tags", f"{tag}: use a letter or digit first, then letters, digits, spaces and . : / + # - _")
    return wanted
