"""/api/runs/{id}/log and /artifacts: what the run of a Flower App prints, and the files that it leaves."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from federation.run.states import ENDED
from webapp.db.tables import Run
from webapp.operations.apps.outputs import AppOutputs
from webapp.operations.files.zip_stream import pieces_of
from webapp.operations.run_moves import get_run
from webapp.parts import Parts
from webapp.problems import Conflict, NotFound
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.api.results.file_responses import ZIP_ANSWER, ZipResponse
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["apps"], responses={**REFUSED, **MISSING})


class AppLog(BaseModel):
    """A piece of the log of an app."""

    text: str = Field(examples=["INFO :      [ROUND 1/3]\n"])
    next: int = Field(description="Value for `after` of the next request.")
    ended: bool = Field(description="Whether the run has ended: then nothing is added to the log.")


@router.get("/log")
def read_log(
    parts: PartsDep, run_id: Id, after: Annotated[int, Query(ge=0, le=2**40, description="Bytes to skip.")] = 0
) -> AppLog:
    """Return what the process of an app has printed: 64 KiB from a byte on. The first 4 MiB are kept."""
    run = _run_of_app(parts, run_id)
    text, following = AppOutputs(parts.settings.runs_dir / str(run_id)).log(after)
    return AppLog(text=text, next=following, ended=run.state in ENDED)


@router.get("/artifacts", response_class=StreamingResponse, responses={**CONFLICT, **ZIP_ANSWER})
def download_artifacts(parts: PartsDep, run_id: Id) -> Response:
    """Return the files of an app's working folder as one zip, once its run has ended. Links are not included."""
    run = _run_of_app(parts, run_id)
    if run.state not in ENDED:
        raise Conflict(f"Run {run_id} is {run.state}: its files can be downloaded once it has ended.")
    file = AppOutputs(parts.settings.runs_dir / str(run_id)).archive(parts.settings.data_dir)
    return ZipResponse(pieces_of(file), f"run-{run_id}-files.zip", file.close)


def _run_of_app(parts: Parts, run_id: int) -> Run:
    with parts.database.read() as session:
        run = get_run(session, run_id)
    if run.network != "app":
        raise NotFound(f"Run {run_id} is not of a Flower App.")
    return run
