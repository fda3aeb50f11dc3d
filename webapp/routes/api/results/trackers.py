"""/api/runs/{id}/mlflow and /tensorboard: what MLflow has of a run, and the run as an event file of TensorBoard."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from webapp.db.repository.series import clients_of_run
from webapp.operations.mlflow.views import MlflowView
from webapp.operations.run_moves import get_run
from webapp.operations.tensorboard.event_files import archive, file_name, folder_of, pieces
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import BINARY, ZIP, attachment
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", responses={**REFUSED, **MISSING})

MAX_CLIENTS = 1000
EVENTS = "application/octet-stream"


@router.get("/mlflow", tags=["metrics"])
def show_mlflow(parts: PartsDep, run_id: Id) -> MlflowView:
    """Return up to which round a run was sent to MLflow, where it is there, and why the last try failed."""
    with parts.database.read() as session:
        get_run(session, run_id)
        found = parts.mlflow.show(session, run_id)
    if found is None:
        raise NotFound(f"Run {run_id} is not sent to MLflow: it has not started, or --mlflow-url was not set.")
    return found


@router.get(
    "/tensorboard",
    tags=["downloads"],
    response_class=StreamingResponse,
    responses={200: {"content": {EVENTS: BINARY, ZIP: BINARY}}},
)
def download_tensorboard(
    parts: PartsDep,
    run_id: Id,
    clients: Annotated[
        bool, Query(description="Return a zip with a folder for the run, and in it one for each client.")
    ] = False,
) -> Response:
    """Return the metrics of a run by round as an event file, to be put into a folder that TensorBoard reads."""
    with parts.database.read() as session:
        run = get_run(session, run_id)
        names = clients_of_run(session, run_id)[:MAX_CLIENTS] if clients else []
    name = f"{folder_of(run)}.zip" if clients else file_name(run)
    content = archive(parts.database, run, names) if clients else (piece for _, piece in pieces(parts.database, run))
    return StreamingResponse(content, media_type=ZIP if clients else EVENTS, headers=attachment(name))
