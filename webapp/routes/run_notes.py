"""Notes and tags of a run: their own page, and what its two forms post."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from webapp.dependencies import Id, ShelfDep
from webapp.errors import Invalid
from webapp.pages.notes import notes_form
from webapp.routes.page import PageDep
from webapp.routes.run_list import SEE_OTHER, FormDep
from webapp.runs import get_run

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)


@router.get("/notes")
def show(page: PageDep, run_id: Id) -> HTMLResponse:
    """Show the forms for a run's note and tags."""
    return page.show("runs/notes.html", "/runs", form=notes_form(get_run(page.session, run_id)))


@router.post("/note")
def write_note(page: PageDep, shelf: ShelfDep, run_id: Id, form: FormDep) -> Response:
    """Write the note and go to the run; or show the form again with what is wrong."""
    note = _text(form, "note")
    try:
        shelf.note(run_id, note)
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, note=note))
    return RedirectResponse(f"/runs/{run_id}#notes", SEE_OTHER)


@router.post("/tags")
def write_tags(page: PageDep, shelf: ShelfDep, run_id: Id, form: FormDep) -> Response:
    """Write the tags, which commas part, and go to the run; or show the form again with what is wrong."""
    tags = _text(form, "tags")
    try:
        shelf.tag(run_id, tags.split(","))
    except Invalid as error:
        run = get_run(page.session, run_id)
        return page.show("runs/notes.html", "/runs", 422, form=notes_form(run, error, tags=tags))
    return RedirectResponse(f"/runs/{run_id}#notes", SEE_OTHER)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
