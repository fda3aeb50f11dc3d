"""Notes and tags of a run: their own page, and what its form posts; either alone can be posted, too."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from webapp.operations.runs import get_run
from webapp.pages.runs.notes import notes_form
from webapp.problems import Invalid
from webapp.routes.dependencies import ShelfDep
from webapp.routes.html.page import PageDep, RunId
from webapp.routes.html.run_list import SEE_OTHER, FormDep

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)


@router.get("/notes")
def show(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show the form for a run's note and tags."""
    return page.show("runs/notes.html", "/runs", form=notes_form(get_run(page.session, run_id)))


@router.post("/notes")
def write(page: PageDep, shelf: ShelfDep, run_id: RunId, form: FormDep) -> Response:
    """Write note and tags and go to the run; or show the form again with what is wrong, and write neither."""
    note, tags = _text(form, "note"), _text(form, "tags")
    try:
        shelf.write(run_id, note, tags.split(","))
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, note=note, tags=tags))
    return _back(run_id, "notes")


@router.post("/note")
def write_note(page: PageDep, shelf: ShelfDep, run_id: RunId, form: FormDep) -> Response:
    """Write the note and go to the run; or show the form again with what is wrong."""
    note = _text(form, "note")
    try:
        shelf.note(run_id, note)
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, note=note))
    return _back(run_id, "note")


@router.post("/tags")
def write_tags(page: PageDep, shelf: ShelfDep, run_id: RunId, form: FormDep) -> Response:
    """Write the tags, which commas part, and go to the run; or show the form again with what is wrong."""
    tags = _text(form, "tags")
    try:
        shelf.tag(run_id, tags.split(","))
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, tags=tags))
    return _back(run_id, "tags")


def _back(run_id: int, done: str) -> Response:
    """Lead to the run, whose page says at its top what was saved."""
    return RedirectResponse(f"/runs/{run_id}?done={done}", SEE_OTHER)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
