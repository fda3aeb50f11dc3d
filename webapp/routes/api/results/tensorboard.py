"""/api/runs/{id}/tensorboard: a run as an event file of TensorBoard."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from webapp.db.repository.series import clients_of_run
from webapp.operations.run_moves import get_run
from webapp.operations.tensorboard.event_files import archive, file_name, folder_of, pieces
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import BINARY, ZIP, attachment
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["downloads"], responses={**REFUSED, **MISSING})

MAX_CLIENTS = 1000
EVENTS = "application/octet-stream"


@router.get(
    "/tensorboard",
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
