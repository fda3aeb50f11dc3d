"""/api/runs/{id}/…: name, note, tags, pin, archive and restore."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from webapp.operations.records import MAX_NAME, MAX_NOTE, MAX_TAG, MAX_TAGS
from webapp.operations.runs import Runs
from webapp.operations.views import RunView
from webapp.problems import Conflict
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import Id, NoteDep, PartsDep, RecordsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["runs"], responses={**REFUSED, **MISSING})


class Name(StrictBody):
    """The name of a run."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["Skewed hospitals"])]


class Note(StrictBody):
    """The note of a run."""

    note: Annotated[str, Field(max_length=MAX_NOTE, examples=["The split of ward 7 was wrong."])]


class Tags(StrictBody):
    """The tags of a run."""

    tags: Annotated[
        list[Annotated[str, Field(max_length=MAX_TAG)]], Field(max_length=MAX_TAGS, examples=[["baseline", "paper"]])
    ]


@router.post("/rename")
def rename_run(records: RecordsDep, parts: PartsDep, note: NoteDep, run_id: Id, body: Name) -> RunView:
    """Rename a run."""
    note.detail["name"] = body.name
    records.rename(run_id, body.name)
    return parts.runs.show(run_id)


@router.post("/note")
def write_note(records: RecordsDep, parts: PartsDep, run_id: Id, body: Note) -> RunView:
    """Replace the note of a run."""
    records.write(run_id, note=body.note)
    return parts.runs.show(run_id)


@router.post("/tags")
def write_tags(records: RecordsDep, parts: PartsDep, run_id: Id, body: Tags) -> RunView:
    """Replace the tags of a run."""
    records.write(run_id, tags=body.tags)
    return parts.runs.show(run_id)


@router.post("/pin", responses=CONFLICT)
def pin_run(records: RecordsDep, parts: PartsDep, run_id: Id) -> RunView:
    """Keep the checkpoints and events of a run, whatever --keep-runs and --keep-days say."""
    records.pin(run_id, pinned=True)
    return parts.runs.show(run_id)


@router.post("/unpin")
def unpin_run(records: RecordsDep, parts: PartsDep, run_id: Id) -> RunView:
    """Let the checkpoints and events of a run expire as --keep-runs and --keep-days say."""
    records.pin(run_id, pinned=False)
    return parts.runs.show(run_id)


@router.post("/archive", responses=CONFLICT)
def archive_run(records: RecordsDep, parts: PartsDep, run_id: Id) -> RunView:
    """Archive an ended run: the list of runs hides it; nothing is deleted."""
    return _moved(parts.runs, run_id, bool(records.archive([run_id]).ids), archived=True)


@router.post("/restore", responses=CONFLICT)
def restore_run(records: RecordsDep, parts: PartsDep, run_id: Id) -> RunView:
    """Restore an archived run."""
    return _moved(parts.runs, run_id, bool(records.restore([run_id]).ids), archived=False)


def _moved(runs: Runs, run_id: int, changed: bool, *, archived: bool) -> RunView:
    run = runs.show(run_id)
    if not changed and (run.archived_at is not None) != archived:
        raise Conflict(f"Run {run_id} is {run.state}: only an ended run can be archived.")
    return run
