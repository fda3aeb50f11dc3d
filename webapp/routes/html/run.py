"""Pages of runs: one run, the form that starts one; and what their buttons post."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from federation.run.states import ENDED
from webapp.db.repository.clients import get_client, list_clients
from webapp.db.repository.runs import queue
from webapp.db.tables import Run
from webapp.operations.downloads import models_of
from webapp.operations.runs import get_run
from webapp.pages.clients.demo_offer import demo_said, offer_for_run
from webapp.pages.flash import Said
from webapp.pages.runs.buttons import is_let_go_on, said_of
from webapp.pages.runs.query import RunAsked, asked_of
from webapp.pages.runs.show import run_page
from webapp.pages.start.form import StartForm, default_form, form_of, parse_form
from webapp.pages.start.preview import prospect_of
from webapp.pages.templating import wanted_block
from webapp.routes.dependencies import RunsDep
from webapp.routes.html.page import Page, PageDep, RunId, read_form

router = APIRouter(prefix="/runs", include_in_schema=False)

SEE_OTHER = 303


def read_run_asked(run_id: RunId, request: Request) -> RunAsked:
    """Return what the address of a run's page asks for."""
    return asked_of(run_id, request.query_params)


AskedDep = Annotated[RunAsked, Depends(read_run_asked)]


@router.get("/new")
def ask(
    page: PageDep, request: Request, source: Annotated[int | None, Query(alias="from", ge=1, lt=2**53)] = None
) -> HTMLResponse:
    """Show the form that starts a run: with defaults, with another run's answers, or as the address fills it in."""
    run = get_run(page.session, source) if source is not None else None
    if typed := [(name, value) for name, value in request.query_params.multi_items() if name != "from"]:
        return _show_form(page, parse_form(typed), source=run)
    if run is not None:
        return _show_form(page, form_of(run.config | {"name": run.name}), source=run)
    live = page.live
    held = (client.data.get("dataset") for client in list_clients(page.session) if client.id in live)
    return _show_form(page, default_form(held))


@router.post("")
def start(page: PageDep, runs: RunsDep, fields: Annotated[FormData, Depends(read_form)]) -> Response:
    """Queue the run that the form describes, and go to its page; or show the form again with what is wrong."""
    form = parse_form([(name, value) for name, value in fields.multi_items() if isinstance(value, str)])
    if (config := form.config) is None:
        return _show_form(page, form, 422)
    return RedirectResponse(f"/runs/{runs.create(config).id}", SEE_OTHER)


def _show_form(page: Page, form: StartForm, status: int = 200, source: Any = None) -> HTMLResponse:
    template = "home/_prospect.html" if wanted_block(page.request) == "home_prospect" else "runs/new.html"
    return page.show(
        template, "/runs", status, form=form, source=source, clients=list_clients(page.session),
        prospect=prospect_of(page.session, form, page.live),
        queued=len(queue(page.session)) + (page.parts.supervisor.active_run_id is not None),
    )  # fmt: skip


@router.get("/{run_id}")
def show(page: PageDep, run_id: RunId, asked: AskedDep) -> HTMLResponse:
    """Show one run."""
    run, settings, live = get_run(page.session, run_id), page.parts.settings, page.live
    models = models_of(page.session, run, settings.runs_dir, settings.best_metric)
    shown, known = run_page(page.session, run, live, asked, models), list_clients(page.session)
    return page.show(
        "runs/show.html", "/runs", page=shown, ended=run.state in ENDED, asked=asked,
        said=said_after(page, run, asked),
        offer=offer_for_run(page.parts.demo, run, shown.parted.taking_part, known, live),
    )  # fmt: skip


def said_after(page: Page, run: Run, asked: RunAsked, back: str = "") -> Said | None:
    """Say what the last action did to a run."""
    if asked.done == "demo":
        return demo_said(page.parts.demo, list_clients(page.session), page.live)
    client = get_client(page.session, asked.of) if asked.of else None
    about = (asked.of, client.name if client else "")
    return said_of(asked.done, run, about, asked.count, back, goes_on=is_let_go_on(page.session, run))
