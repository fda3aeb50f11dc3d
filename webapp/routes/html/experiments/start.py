"""The form that starts an experiment."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from federation.run.networks import NETWORKS
from webapp.db.repository.clients import list_clients
from webapp.operations.experiments.experiments import get_experiment
from webapp.operations.own_data.held import by_data_name
from webapp.operations.run_moves import get_run
from webapp.pages.clients.holdings import dataset_of
from webapp.pages.start.experiment import (
    ExperimentForm,
    default_experiment,
    experiment_copy,
    experiment_like,
    field_errors,
    parse_experiment,
)
from webapp.pages.start.experiment_preview import preview_experiment
from webapp.pages.start.form import as_opened, offering
from webapp.pages.start.own_data import compared_by_name
from webapp.problems import Invalid
from webapp.routes.access import SEE_OTHER
from webapp.routes.dependencies import ExperimentsDep, NoteDep
from webapp.routes.html.forms import UploadFormDep, sent_with_upload
from webapp.routes.html.page import Page, PageDep, SourceId

router = APIRouter(prefix="/experiments", include_in_schema=False)


@router.get("/new")
def ask(
    page: PageDep, source: SourceId = None,
    experiment: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
) -> HTMLResponse:  # fmt: skip
    """Show the form: with defaults, with the settings of a run or an experiment, or as the address fills it in."""
    if typed := [one for one in page.request.query_params.multi_items() if one[0] not in ("from", "experiment")]:
        return _show(page, as_opened(parse_experiment(typed), typed))
    if experiment is not None:
        found = get_experiment(page.session, experiment)
        return _show(page, experiment_copy(found.config, found.seeds))
    if source is not None:
        return _show(page, experiment_like(get_run(page.session, source).config))
    live = page.live
    held = (dataset_of(client) for client in list_clients(page.session) if client.id in live)
    return _show(page, default_experiment(held))


@router.post("")
def start(page: PageDep, experiments: ExperimentsDep, note: NoteDep, fields: UploadFormDep) -> Response:
    """Queue the runs of the experiment and go to its page; or show the form again with what is wrong."""
    sent, wrong = sent_with_upload(fields, page.parts)
    form = parse_experiment(sent)
    if not wrong and (expanded := form.expanded()) is not None:
        try:
            experiment = experiments.create(expanded[0])
            note.target = f"experiment {experiment.id}"
            return RedirectResponse(f"/experiments/{experiment.id}", SEE_OTHER)
        except Invalid as error:  # what only the database and the uploads know
            wrong = field_errors(error, form)
    return _show(page, replace(form, errors=form.errors | wrong), 422)


def _show(page: Page, form: ExperimentForm, status: int = 200) -> HTMLResponse:
    expanded = form.expanded()
    preview = preview_experiment(page.session, expanded[1], expanded[0].seed_count) if expanded else None
    clients = list_clients(page.session)
    form = offering(form, by_data_name(clients, page.live), page.parts.apps.offered())
    own_data = compared_by_name(page.session, expanded[1].configs, clients, page.live) if expanded else []
    return page.show(
        "experiments/new.html", "/runs", status, form=form, preview=preview, clients=clients,
        networks=NETWORKS, own_data=own_data, parallel_runs=page.parts.settings.parallel_runs,
    )  # fmt: skip
