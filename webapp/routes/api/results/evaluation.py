"""/api/runs/{id}/evaluation: the results of a run that only evaluates."""

from fastapi import APIRouter

from webapp.operations.evaluation.results import EvaluationResults, evaluation_results
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
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
