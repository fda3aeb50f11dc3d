"""/api/runs/{id}/mlflow: what the MLflow server of the settings has of a run."""

from fastapi import APIRouter

from webapp.operations.mlflow.views import MlflowView
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})


@router.get("/mlflow")
def show_mlflow(parts: PartsDep, run_id: Id) -> MlflowView:
    """Return up to which round a run was sent to MLflow, where it is there, and why the last try failed."""
    with parts.database.read() as session:
        get_run(session, run_id)
        found = parts.mlflow.show(session, run_id)
    if found is None:
        raise NotFound(f"Run {run_id} is not sent to MLflow: it has not started, or --mlflow-url was not set.")
    return found
