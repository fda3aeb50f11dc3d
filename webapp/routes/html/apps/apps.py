"""The pages of Flower Apps: all of them with a form to upload one, and one app with the press that approves it."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.db.tables import AppState
from webapp.http.origin import site_of
from webapp.operations.apps.runs import typed_settings
from webapp.operations.apps.store import AppView
from webapp.operations.run_moves import get_run
from webapp.pages.app_form import OPTIONS, SETTING, run_config, run_form
from webapp.pages.flash import Flash
from webapp.problems import Invalid, Problem
from webapp.routes.access import SEE_OTHER
from webapp.routes.api.apps.apps import noted
from webapp.routes.dependencies import ByDep, Id, NoteDep, PartsDep
from webapp.routes.html.forms import FlashesDep, FormDep, UploadFormDep, file_of, see_other, text_of
from webapp.routes.html.page import Page, PageDep, SourceId

router = APIRouter(prefix="/apps", include_in_schema=False)

HERE = "/apps"


@router.get("")
def show_all(page: PageDep) -> HTMLResponse:
    """Show all apps."""
    return _show(page)


@router.post("")
def upload(page: PageDep, flashes: FlashesDep, note: NoteDep, by: ByDep, form: UploadFormDep) -> Response:
    """Keep an app and go to its page; or say why the archive is refused."""
    file = file_of(form, "file")
    try:
        if file is None:
            raise Invalid("file", "Choose a .fab, or a zip of the app's folder")
        app = noted(page.parts.apps.add(file.file, by), note)
    except Problem as error:
        return _show(page, error.status, error.words)
    return see_other(flashes, f"{HERE}/{app.id}", Flash(f"{app.title} was uploaded."))


@router.get("/{app_id}")
def show(page: PageDep, app_id: Id, source: SourceId = None) -> HTMLResponse:
    """Show one app, with the settings of another run of it in the form that starts one."""
    app = page.parts.apps.show(app_id)
    run = get_run(page.session, source) if source is not None else None
    if run is not None and run.config.get("app") == app.hash:
        typed = run_form(app) | {f"{SETTING}{name}": value for name, value in run.config["app_config"].items()}
        return _show_one(page, app, typed | {name: run.config[name] for name in OPTIONS if name in run.config})
    return _show_one(page, app, run_form(app))


@router.post("/{app_id}/runs")
def start(page: PageDep, note: NoteDep, by: ByDep, app_id: Id, form: FormDep) -> Response:
    """Queue a run of an app, and go to its page; or show the form again with what is wrong."""
    app = page.parts.apps.show(app_id)
    typed = {name: text_of(form, name) for name in run_form(app)}
    try:
        given = {name: typed[f"{SETTING}{name}"] for name in app.settings}
        config = run_config(app, typed_settings(app, given), typed)
        run_id = page.parts.runs.create(config, by).id
    except Problem as error:
        return _show_one(page, app, typed, error.status, error.words)
    note.add_runs([run_id])
    note.detail |= {"app": app.title, "sha256": app.hash}
    return RedirectResponse(f"/runs/{run_id}", SEE_OTHER)


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


def _show_one(page: Page, app: AppView, typed: dict[str, Any], status: int = 200, error: str = "") -> HTMLResponse:
    return page.show(
        "apps/show.html", HERE, status, app=app, is_on=page.parts.apps.is_on, typed=typed, error=error, options=OPTIONS,
        setting=SETTING,
    )  # fmt: skip


def _show(page: Page, status: int = 200, error: str = "") -> HTMLResponse:
    apps, settings = page.parts.apps, page.parts.settings
    site = site_of(page.request, settings) if settings.flwr_cli else ""
    return page.show(
        "apps/index.html", HERE, status, apps=apps.list(), is_on=apps.is_on, error=error, site=site,
        trusted_entity=page.parts.flower.trusted_entity,
    )  # fmt: skip
