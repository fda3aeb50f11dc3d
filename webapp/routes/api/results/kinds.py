"""/api/runs/{id}/evaluation and /statistics: the results of runs of the kinds that do not train."""

from fastapi import APIRouter
from fastapi.responses import Response

from webapp.operations.evaluation.results import EvaluationResults, evaluation_results
from webapp.operations.own_data.run_statistics import RunStatistics, run_statistics, run_statistics_csv
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import text_file
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})


@router.get("/evaluation")
def show_evaluation(parts: PartsDep, run_id: Id) -> EvaluationResults:
    """Return the metrics of a run of the kind evaluation, and those of each client, the worst first."""
    with parts.database.read() as session:
        run = get_run(session, run_id)
        if run.kind != "evaluation":
            raise NotFound(f"Run {run_id} trains: its metrics have rounds.")
        return evaluation_results(session, run)


@router.get("/statistics")
def show_statistics(parts: PartsDep, run_id: Id) -> RunStatistics:
    """Return count, mean, deviation, missing share, categories and histograms, over all clients and by client."""
    with parts.database.read() as session:
        get_run(session, run_id)
        found = run_statistics(session, run_id)
    if found is None:
        raise NotFound(f"Run {run_id} has no statistics: only a completed run of the kind statistics has them.")
    return found


@router.get("/statistics.csv", response_class=Response, responses={
    200: {"content": {"text/csv": {}}, "description": "A line for each column and client, category, or bin."},
})  # fmt: skip
def download_statistics(parts: PartsDep, run_id: Id) -> Response:
    """Return the same as one table."""
    return text_file(run_statistics_csv(show_statistics(parts, run_id)), "text/csv", f"run-{run_id}-statistics.csv")
