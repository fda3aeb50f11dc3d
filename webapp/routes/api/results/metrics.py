"""/api/runs/{id}/metrics: the points after an id, as JSON; all of them as CSV."""

from itertools import chain
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from webapp.db.repository.clients import client_names
from webapp.db.repository.metrics import Point, Whose, points_after
from webapp.operations.files.metrics_csv import HEADER, csv_pieces
from webapp.operations.run_moves import get_run
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import ByteOrderMark, attachment
from webapp.routes.dependencies import MAX_ID, METRIC_NAME, Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})

Name = Annotated[str, Field(max_length=100, pattern=METRIC_NAME)]
ClientId = Annotated[int, Field(ge=1, le=MAX_ID)]


class PointList(BaseModel):
    """Points, oldest first. Call again with ``since_id`` = ``last_id`` for newer points."""

    items: list[Point]
    last_id: int


@router.get("/metrics")
def list_metrics(
    parts: PartsDep,
    run_id: Id,
    name: Annotated[list[Name], Query(default_factory=list, description="Such as loss and accuracy.", max_length=50)],
    phase: Annotated[list[Literal["train", "evaluate", "server"]], Query(default_factory=list)],
    client_id: Annotated[
        list[Literal["aggregate"] | ClientId],
        Query(
            default_factory=list,
            max_length=100,
            description="Ids of clients, or aggregate for the mean over clients; empty: all.",
        ),
    ],
    since_id: Annotated[int, Query(ge=0, le=MAX_ID, description="Points after this id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=50_000, description="Maximum number of points.")] = 10_000,
) -> PointList:
    """Return points after an id. A value that is not finite is null, with its ``kind``."""
    whose: list[Whose] = list(client_id)
    with parts.database.read() as session:
        get_run(session, run_id)
        items = points_after(
            session, run_id, since_id, names=name, phases=phase, whose=whose, limit=limit
        )  # fmt: skip
    return PointList(items=items, last_id=items[-1].id if items else since_id)


@router.get(
    "/metrics.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"example": HEADER}}}},
)
def download_metrics(parts: PartsDep, run_id: Id, bom: ByteOrderMark = False) -> StreamingResponse:
    """Return all points of a run as CSV, each with the clients, samples and data that its value is measured on.

    Texts that a spreadsheet would read as a formula are quoted with '.
    """
    with parts.database.read() as session:
        config = get_run(session, run_id).config
        names = client_names(session)
    lines = chain(["\ufeff"] if bom else [], csv_pieces(parts.database, run_id, config, names))
    return StreamingResponse(lines, media_type="text/csv", headers=attachment(f"run-{run_id}-metrics.csv"))
