"""The list of experiments, the page of one, and its buttons."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from webapp.operations.experiments.experiments import Experiments, get_experiment
from webapp.pages.experiments.index import experiment_list
from webapp.pages.experiments.query import ExperimentQuery, experiment_query
from webapp.pages.experiments.show import experiment_page
from webapp.pages.flash import Flash
from webapp.routes.dependencies import AnyId, ExperimentsDep
from webapp.routes.html.forms import FlashesDep, see_other
from webapp.routes.html.page import ExperimentId, PageDep, shared

router = APIRouter(prefix="/experiments", include_in_schema=False)


def read_query(experiment_id: ExperimentId, request: Request) -> ExperimentQuery:
    """Return the query of an experiment's page."""
    return experiment_query(experiment_id, request.query_params)


@router.get("")
@shared
def list_them(page: PageDep, offset: AnyId = 0) -> HTMLResponse:
    """Show a page of experiments."""
    shown = experiment_list(page.session, min(offset, 2**31))
    return page.show("experiments/index.html", "/runs", page=shown)


@router.get("/{experiment_id}")
@shared
def show(
    page: PageDep, experiment_id: ExperimentId, query: Annotated[ExperimentQuery, Depends(read_query)]
) -> HTMLResponse:  # fmt: skip
    """Show one experiment."""
    shown = experiment_page(page.session, get_experiment(page.session, experiment_id), query)
    return page.show("experiments/show.html", "/runs", page=shown, query=query)


@router.get("/{experiment_id}/cancel")
def ask_to_cancel(page: PageDep, experiment_id: ExperimentId) -> HTMLResponse:
    """Ask whether an experiment is to be cancelled, and say what is kept."""
    shown = experiment_page(page.session, get_experiment(page.session, experiment_id), ExperimentQuery(experiment_id))
    return page.show("experiments/cancel.html", "/runs", page=shown)


BUTTONS: tuple[tuple[str, Callable[[Experiments, int], None], str, str], ...] = (
    ("pause", Experiments.pause, "The experiment is paused: no further run starts.", "resume"),
    ("resume", Experiments.resume, "The experiment was resumed.", ""),
    ("cancel", Experiments.cancel, "The experiment was cancelled; completed rounds are kept.", ""),
)
"""The last part of an address, what it does, the sentence on the next page, and what takes it back."""


def _handler(operation: Callable[[Experiments, int], None], said: str, undo: str) -> Callable[..., Response]:
    def act(experiments: ExperimentsDep, flashes: FlashesDep, experiment_id: ExperimentId) -> Response:
        operation(experiments, experiment_id)
        here = f"/experiments/{experiment_id}"
        return see_other(flashes, here, Flash(said, f"{here}/{undo}" if undo else "", back=here))

    return act


for name, operation, said, undo in BUTTONS:
    router.add_api_route(f"/{{experiment_id}}/{name}", _handler(operation, said, undo), methods=["POST"])
