"""The pages of Flower Apps: all of them with a form to upload one, and one app with the press that approves it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import UploadFile

from webapp.db.tables import AppState
from webapp.pages.flash import Flash
from webapp.problems import Invalid, Problem
from webapp.routes.api.apps.apps import noted
from webapp.routes.dependencies import ByDep, Id, NoteDep, PartsDep
from webapp.routes.html.forms import FlashesDep, StartFormDep, see_other
from webapp.routes.html.page import Page, PageDep

router = APIRouter(prefix="/apps", include_in_schema=False)

HERE = "/apps"


@router.get("")
def show_all(page: PageDep) -> HTMLResponse:
    """Show all apps."""
    return _show(page)


@router.post("")
def upload(page: PageDep, flashes: FlashesDep, note: NoteDep, by: ByDep, form: StartFormDep) -> Response:
    """Keep an app and go to its page; or say why the archive is refused."""
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise Invalid("file", "Choose a .fab, or a zip of the app's folder")
        app = noted(page.parts.apps.add(file.file, by), note)
    except Problem as error:
        return _show(page, error.status, error.words)
    return see_other(flashes, f"{HERE}/{app.id}", Flash(f"{app.title} was uploaded."))


@router.get("/{app_id}")
def show(page: PageDep, app_id: Id) -> HTMLResponse:
    """Show one app."""
    return page.show("apps/show.html", HERE, app=page.parts.apps.show(app_id), is_on=page.parts.apps.is_on)


@router.post("/{app_id}/approve")
def approve(parts: PartsDep, flashes: FlashesDep, note: NoteDep, by: ByDep, app_id: Id) -> Response:
    """Approve the hash of an app."""
    app = noted(parts.apps.move(app_id, AppState.APPROVED, by), note)
    return see_other(flashes, f"{HERE}/{app_id}", Flash(f"{app.title} is approved: it may run."))


@router.post("/{app_id}/withdraw")
def withdraw(parts: PartsDep, flashes: FlashesDep, note: NoteDep, by: ByDep, app_id: Id) -> Response:
    """Withdraw an app."""
    app = noted(parts.apps.move(app_id, AppState.WITHDRAWN, by), note)
    return see_other(flashes, f"{HERE}/{app_id}", Flash(f"{app.title} is withdrawn: it does not start any more."))


@router.post("/{app_id}/delete")
def delete(parts: PartsDep, flashes: FlashesDep, note: NoteDep, app_id: Id) -> Response:
    """Delete an app."""
    app = noted(parts.apps.delete(app_id), note)
    return see_other(flashes, HERE, Flash(f"{app.title} was deleted."))


def _show(page: Page, status: int = 200, error: str = "") -> HTMLResponse:
    apps = page.parts.apps
    return page.show("apps/index.html", HERE, status, apps=apps.list(), is_on=apps.is_on, error=error)
