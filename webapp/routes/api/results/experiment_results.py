"""/api/experiments/{id}/results and /series: the table over seeds as a file, and the curves over seeds."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from federation.run.states import RunState
from webapp.charts.seed_bands import BandView, band_of
from webapp.db.repository.queue.experiments import runs_of_experiment
from webapp.operations.experiments.experiments import get_experiment
from webapp.pages.experiments.files import results_csv, results_tex
from webapp.pages.experiments.results import Results, results_of
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import text_file
from webapp.routes.dependencies import METRIC_NAME, Id, PartsDep

router = APIRouter(prefix="/api/experiments/{experiment_id}", tags=["experiments"], responses={**REFUSED, **MISSING})

MAX_DRAWN = 8
Phase = Annotated[
    Literal["evaluate", "train", "server"],
    Query(description="Clients' evaluation or training, or the server."),
]
Metric = Annotated[
    str,
    Query(max_length=100, pattern=METRIC_NAME, description="Such as accuracy; empty: accuracy, else rmse, else loss."),
]
Which = Annotated[
    Literal["best", "last"], Query(description="The value of the best round of each run, or of its last.")
]
Number = Annotated[int, Field(ge=1, le=1000)]


class BandList(BaseModel):
    """The curves of the requested configurations."""

    metric: str
    items: list[BandView]


def read_results(
    parts: PartsDep, experiment_id: Id, phase: Phase = "evaluate", metric: Metric = "", which: Which = "best"
) -> Results:
    """Return the results that the address asks for."""
    with parts.database.read() as session:
        return results_of(session, get_experiment(session, experiment_id), phase, metric, which)


ResultsDep = Annotated[Results, Depends(read_results)]


@router.get("/results.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def download_results(experiment_id: Id, results: ResultsDep) -> Response:
    """Return a line for each configuration: settings, mean and standard deviation (n - 1) over its completed runs."""
    return text_file(results_csv(results), "text/csv", f"experiment-{experiment_id}.csv")


@router.get("/results.tex", response_class=Response, responses={200: {"content": {"application/x-tex": {}}}})
def download_table(experiment_id: Id, results: ResultsDep) -> Response:
    """Return the same table for LaTeX with booktabs."""
    return text_file(results_tex(results), "application/x-tex", f"experiment-{experiment_id}.tex")


@router.get("/series")
def list_bands(
    parts: PartsDep,
    experiment_id: Id,
    configuration: Annotated[list[Number], Query(min_length=1, max_length=MAX_DRAWN, description="Their numbers.")],
    phase: Phase = "evaluate",
    metric: Metric = "accuracy",
) -> BandList:
    """Return the mean and the standard deviation over seeds by round, over the completed runs of each configuration."""
    with parts.database.read() as session:
        get_experiment(session, experiment_id)
        runs = runs_of_experiment(session, experiment_id, [RunState.COMPLETED])
        items = []
        for number in dict.fromkeys(configuration):
            of = [run for run in runs if run.configuration == number]
            items.append(band_of(number, [parts.series.read(session, run, phase, metric) for run in of]))
    return BandList(metric=metric, items=items)
