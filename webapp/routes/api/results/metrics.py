"""/api/runs/{id}/metrics: the points after an id, as JSON; all of them as CSV."""

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from federation.learning.evaluation_data import measured_on
from webapp.db.database import Database
from webapp.db.repository.clients import client_names
from webapp.db.repository.metrics import Point, Samples, Whose, points_after, samples_behind
from webapp.operations.run_moves import get_run
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ID, METRIC_NAME, DatabaseDep, Id
from webapp.sanitizing import csv_cell

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})

Name = Annotated[str, Field(max_length=100, pattern=METRIC_NAME)]
ClientId = Annotated[int, Field(ge=1, le=MAX_ID)]
CSV_PIECE = 5000
HEADER = "round,phase,client_id,client,name,value,clients,samples,data\r\n"


class PointList(BaseModel):
    """Points, oldest first. Call again with ``since_id`` = ``last_id`` for newer points."""

    items: list[Point]
    last_id: int


@router.get("/metrics")
def list_metrics(
    database: DatabaseDep,
    run_id: Id,
    name: Annotated[list[Name], Query(default_factory=list, description="Such as loss and accuracy.", max_length=50)],
    phase: Annotated[list[Literal["train", "evaluate"]], Query(default_factory=list)],
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
    with database.read() as session:
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
def download_metrics(
    database: DatabaseDep,
    run_id: Id,
    bom: Annotated[bool, Query(description="Start with a byte order mark, which Excel needs to read UTF-8.")] = False,
) -> StreamingResponse:
    """Return all points of a run as CSV, each with the clients, samples and data that its value is measured on.

    Texts that a spreadsheet would read as a formula are quoted with '.
    """
    with database.read() as session:
        config = get_run(session, run_id).config
        names = client_names(session)
    headers = {"Content-Disposition": f'attachment; filename="run-{run_id}-metrics.csv"'}
    lines = chain(["\ufeff"] if bom else [], _lines(database, run_id, config, names))
    return StreamingResponse(lines, media_type="text/csv", headers=headers)


def _lines(database: Database, run_id: int, config: dict[str, Any], names: dict[int, str]) -> Iterator[str]:
    since_id = 0
    data = {phase: measured_on(config, phase) for phase in ("train", "evaluate")}
    yield HEADER
    while True:
        with database.read() as session:  # one a piece: a slow reader must not hold a connection
            points = points_after(session, run_id, since_id, limit=CSV_PIECE)
            samples = samples_behind(session, run_id, points[0].round, points[-1].round) if points else {}
        if not points:
            return
        since_id = points[-1].id
        text = io.StringIO()
        csv.writer(text).writerows(
            [*_cells(point, names), *_over(point, samples), data[point.phase]] for point in points
        )
        yield text.getvalue()


def _cells(point: Point, names: dict[int, str]) -> list[str | int]:
    whose: list[str | int] = ["", ""]
    if point.client_id is not None:
        whose = [point.client_id, csv_cell(names.get(point.client_id, ""))]
    value = repr(point.value) if point.value is not None else {"nan": "NaN"}.get(point.kind, point.kind)
    return [point.round, point.phase, *whose, csv_cell(point.name), value]


def _over(point: Point, samples: Samples) -> tuple[int | str, int | str]:
    """Return the numbers of clients and of samples that a value is measured on; empty where they are unknown."""
    clients, amount = samples.get((point.round, point.phase, point.client_id or point.name), (0, 0))
    return clients or "", amount or ""
