"""The page with the note and the tags of a run, and its form."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from webapp.operations.runs import get_run
from webapp.pages.flash import Flash
from webapp.pages.runs.notes import notes_form
from webapp.problems import Invalid
from webapp.routes.dependencies import RecordsDep
from webapp.routes.html.forms import FlashesDep, FormDep, see_other, text_of
from webapp.routes.html.page import PageDep, RunId

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)


@router.get("/notes")
def show(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show the form for a run's note and tags."""
    return page.show("runs/notes.html", "/runs", form=notes_form(get_run(page.session, run_id)))


@router.post("/notes")
def write(page: PageDep, records: RecordsDep, flashes: FlashesDep, run_id: RunId, form: FormDep) -> Response:
    """Write note and tags and go to the run; or show the form again with what is wrong, and write neither."""
    note, tags = text_of(form, "note"), text_of(form, "tags")
    try:
        records.write(run_id, note=note, tags=tags.split(","))
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, note=note, tags=tags))
    return see_other(flashes, f"/runs/{run_id}", Flash("Note and tags were saved."))
