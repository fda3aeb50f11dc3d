"""The forms that rename and pin a run, and the page with its note and tags."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from webapp.db.tables import Run
from webapp.operations.records import MAX_NOTE, MAX_TAG, MAX_TAGS
from webapp.operations.run_moves import get_run
from webapp.pages.flash import Flash
from webapp.problems import FieldError, Invalid
from webapp.routes.dependencies import NoteDep, RecordsDep
from webapp.routes.html.forms import FlashesDep, FormDep, see_other, text_of
from webapp.routes.html.page import Page, PageDep, RunId

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)


@router.post("/rename")
def rename(records: RecordsDep, flashes: FlashesDep, note: NoteDep, run_id: RunId, form: FormDep) -> Response:
    """Give a run another name and go to its page."""
    note.detail["name"] = text_of(form, "name")
    records.rename(run_id, note.detail["name"])
    return see_other(flashes, f"/runs/{run_id}", Flash("The run was renamed."))


@router.post("/pin")
def pin(records: RecordsDep, flashes: FlashesDep, run_id: RunId) -> Response:
    """Keep a run's checkpoints and events, and go to its page."""
    records.pin(run_id, pinned=True)
    return see_other(flashes, f"/runs/{run_id}", Flash("Pinned: the checkpoints and events of this run are kept."))


@router.post("/unpin")
def unpin(records: RecordsDep, flashes: FlashesDep, run_id: RunId) -> Response:
    """Let a run's checkpoints and events expire, and go to its page."""
    records.pin(run_id, pinned=False)
    return see_other(flashes, f"/runs/{run_id}", Flash("The run is no longer pinned."))


@router.get("/notes")
def show(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show the form for a run's note and tags."""
    run = get_run(page.session, run_id)
    return _show(page, run, run.note, ", ".join(run.tags))


@router.post("/notes")
def write(page: PageDep, records: RecordsDep, flashes: FlashesDep, run_id: RunId, form: FormDep) -> Response:
    """Write note and tags and go to the run; or show the form again with what is wrong, and write neither."""
    note, tags = text_of(form, "note"), text_of(form, "tags")
    try:
        records.write(run_id, note=note, tags=tags.split(","))
    except Invalid as error:
        return _show(page, get_run(page.session, run_id), note, tags, error.fields[0])
    return see_other(flashes, f"/runs/{run_id}", Flash("Note and tags were saved."))


def _show(page: Page, run: Run, note: str, tags: str, error: FieldError | None = None) -> HTMLResponse:
    return page.show(
        "runs/notes.html", "/runs", 422 if error else 200, run=run, note=note, tags=tags, error=error,
        max_note=MAX_NOTE, max_tags=MAX_TAGS, max_tag=MAX_TAG,
    )  # fmt: skip
