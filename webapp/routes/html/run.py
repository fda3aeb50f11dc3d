"""Pages of runs: one run, and the form that starts one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from federation.run.networks import NETWORKS
from federation.run.states import ENDED
from webapp.db.repository.clients import list_clients
from webapp.db.repository.queue.order import queued_runs
from webapp.db.repository.runs import get_run as find_run
from webapp.db.tables import Run
from webapp.operations.apps.outputs import AppOutputs
from webapp.operations.files.downloads import models_of
from webapp.operations.own_data.held import by_data_name
from webapp.operations.records import MAX_NAME
from webapp.operations.run_moves import get_run
from webapp.pages.clients.candidates import candidates_of
from webapp.pages.clients.holdings import dataset_of
from webapp.pages.clients.simulation import offer_for_run
from webapp.pages.runs.query import RunQuery, run_query
from webapp.pages.runs.show import run_page
from webapp.pages.start.copies import duplicate_form, evaluation_form, taken_over
from webapp.pages.start.form import StartForm, as_opened, default_form, offering, parse_form
from webapp.pages.start.preview import preview_run
from webapp.pages.templating import wanted_block
from webapp.pages.wording import sentence
from webapp.problems import Invalid, NotFound
from webapp.routes.access import SEE_OTHER
from webapp.routes.dependencies import MAX_ID, ByDep, NoteDep
from webapp.routes.html.forms import UploadFormDep, sent_with_upload
from webapp.routes.html.page import Page, PageDep, RunId, SourceId, shared
from webapp.sanitizing import whole_number

router = APIRouter(prefix="/runs", include_in_schema=False)

PARTS = {"home_preview": "home/_preview.html", "client_boxes": "runs/_client_choice.html"}
"""Parts of forms that come alone, by their blocks, and the templates of these."""
NOTED = timedelta(seconds=10)
"""So long after its end a run may have rounds that are not noted yet as those that MLflow lacks."""


def read_query(run_id: RunId, request: Request) -> RunQuery:
    """Return the query of a run's page."""
    return run_query(run_id, request.query_params)


@router.get("/new")
def ask(
    page: PageDep, source: SourceId = None,
    evaluate: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
) -> Response:  # fmt: skip
    """Show the form that starts a run: with defaults, with another run's answers, or as the address fills it in.

    ``evaluate`` is a round of the run ``from``, which the run is to evaluate.
    """
    run = get_run(page.session, source) if source is not None else None
    told = page.request.query_params.multi_items()
    if typed := [(name, value) for name, value in told if name not in ("from", "evaluate")]:
        return _show_form(page, as_opened(parse_form([*_of_evaluated(page, dict(typed)), *typed]), typed), source=run)
    if run is not None and run.network == "app":
        app = page.parts.apps.find(run.config["app"])
        return RedirectResponse(f"/apps/{app.id}?from={run.id}#start" if app is not None else "/apps", SEE_OTHER)
    if run is not None and evaluate is not None:
        return _show_form(page, evaluation_form(run.config, run.id, evaluate))
    if run is not None:
        return _show_form(page, duplicate_form(run.config), source=run)
    live = page.live
    held = (dataset_of(client) for client in list_clients(page.session) if client.id in live)
    return _show_form(page, default_form(held))


def _of_evaluated(page: Page, typed: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Return what an address that only names the run to evaluate leaves to that run; nothing for the form itself."""
    run_id = whole_number(typed.get("evaluated_run"), least=1, most=MAX_ID)
    if typed.get("kind") != "evaluation" or "who" in typed or run_id is None:
        return ()
    run = find_run(page.session, run_id)
    return taken_over(run.config).items() if run is not None and run.network != "app" else ()


@router.post("")
def start(page: PageDep, note: NoteDep, by: ByDep, fields: UploadFormDep) -> Response:
    """Queue the run that the form describes, and go to its page; or show the form again with what is wrong."""
    sent, wrong = sent_with_upload(fields, page.parts)
    form = parse_form(sent)
    if not wrong and (config := form.config) is not None:
        try:
            run_id = page.parts.runs.create(config, by).id
            note.add_runs([run_id])
            return RedirectResponse(f"/runs/{run_id}", SEE_OTHER)
        except Invalid as error:  # what only the database and the uploads know
            wrong = {one.field.partition(".")[0]: sentence(one.message) for one in error.fields}
    return _show_form(page, replace(form, errors=form.errors | wrong), 422)


def _show_form(page: Page, form: StartForm, status: int = 200, source: Any = None) -> HTMLResponse:
    template = PARTS.get(wanted_block(page.request), "runs/new.html")
    clients = list_clients(page.session)
    form = offering(form, by_data_name(clients, page.live), page.parts.apps.offered())
    live, supervisor = page.live, page.parts.supervisor
    preview, active = preview_run(page.session, form, live), len(supervisor.active_run_ids)
    beside = 0 < active < supervisor.parallel_runs
    return page.show(
        template, "/runs", status, form=form, source=source, clients=clients, networks=NETWORKS, preview=preview,
        queued=len(queued_runs(page.session)) + max(0, active - supervisor.parallel_runs + 1),
        taken=sum(live[one.client.id].run_id is not None for one in preview.eligible) if beside else 0,
    )  # fmt: skip


@router.get("/{run_id}")
@shared
def show(page: PageDep, run_id: RunId, query: Annotated[RunQuery, Depends(read_query)]) -> HTMLResponse:
    """Show one run."""
    run, settings, live = get_run(page.session, run_id), page.parts.settings, page.live
    query = query.of_reported(run.last_metrics)
    models = models_of(page.session, run, settings.runs_dir, settings.best_metric)
    shown = run_page(page.session, page.parts.series, run, live, query, models)
    return page.show(
        "runs/show.html", "/runs", page=shown, ended=run.state in ENDED, query=query, max_name=MAX_NAME,
        offer=offer_for_run(page.parts.simulation, run, shown.parted.taking_part, shown.known, live),
        candidates=candidates_of(run, shown.parted, shown.known, live), **_app_of(page, run), **_mlflow_of(page, run),
    )  # fmt: skip


def _app_of(page: Page, run: Run) -> dict[str, Any]:
    """Return what the page shows of the app of a run: which it is, its log, and whether it has left files."""
    if run.network != "app":
        return {"app": None}
    outputs = AppOutputs(page.parts.settings.runs_dir / str(run.id))
    files = outputs.artifacts() if run.state in ENDED else []
    return {
        "app": page.parts.apps.find(run.config["app"]), "lines": outputs.tail(), "files": files,
        "has_model": run.state in ENDED and outputs.has_model,
    }  # fmt: skip


def _mlflow_of(page: Page, run: Run) -> dict[str, Any]:
    """Return what MLflow has of a run, and whether more follows after its end."""
    shown = page.parts.mlflow.show(page.session, run.id)
    is_late = run.finished_at is not None and datetime.now(UTC) - run.finished_at < NOTED
    follows = run.state in ENDED and shown is not None and (shown.state in ("waiting", "failing") or is_late)
    return {"mlflow": shown, "follows": follows}


@router.get("/{run_id}/mlflow")
def show_mlflow(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show how far an ended run is in MLflow, which its page asks for anew."""
    run = get_run(page.session, run_id)
    shown = _mlflow_of(page, run)
    if shown["mlflow"] is None:
        raise NotFound(f"Run {run_id} is not sent to MLflow.")
    return page.show("runs/_mlflow.html", "/runs", run=run, **shown)


@router.get("/{run_id}/log")
def show_log(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show the end of the log of an app, which a run's page asks for anew."""
    run = get_run(page.session, run_id)
    lines = AppOutputs(page.parts.settings.runs_dir / str(run.id)).tail()
    return page.show("runs/_app_log.html", "/runs", run=run, ended=run.state in ENDED, lines=lines)
