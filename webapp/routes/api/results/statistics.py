"""/api/runs/{id}/statistics: what the clients of a statistics run have told."""

from fastapi import APIRouter
from fastapi.responses import Response

from webapp.operations.own_data.run_statistics import RunStatistics, run_statistics, run_statistics_csv
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import text_file
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})


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
