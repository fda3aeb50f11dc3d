"""/api/runs/{id}/series: what charts draw, as columns; long runs thinned to the least and the most of each bucket."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from webapp.charts.downsampling import BUCKETS, THINNED_ABOVE, Curve, Stretch
from webapp.db.repository.series import started_at
from webapp.http.compression import pack
from webapp.operations.runs import get_run
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ID, MAX_ROUND, METRIC_NAME, Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})

MOST_CLIENTS = 8
Column = list[float | None]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=METRIC_NAME)]
ClientId = Annotated[int, Field(ge=1, le=MAX_ID)]


class Series(BaseModel):
    """One metric of a run by round. All lists are of one length; null is a value that is missing or not finite."""

    metric: str = Field(examples=["accuracy"])
    rounds: list[int]
    seconds: Column = Field(description="Wall clock since the run started, when the round was committed.")
    work: Column = Field(description="Seconds of the rounds until then; waits between them are left out.")
    bytes: list[int] = Field(description="Sent until then, down and up.")
    mean: Column
    odd: dict[int, str] = Field(description="Round -> nan, inf or -inf, where the mean is no finite number.")
    least: Column = Field(description="Of the clients.")
    low: Column = Field(description="10 % of the clients are below.")
    high: Column = Field(description="10 % of the clients are above.")
    most: Column
    clients: dict[int, Column] = Field(description="Of the clients that were asked for.")


class SeriesList(BaseModel):
    """The series that were asked for. Ask again with ``after`` = ``last_round`` for the rounds that came since.

    Where they are thinned, a shorter stretch (``after`` and ``last``) has finer rounds.
    """

    items: list[Series]
    phase: Literal["train", "evaluate"]
    last_round: int
    total: int = Field(description="Rounds that were asked for.")
    thinned: bool = Field(description="Whether buckets of rounds are shown by those with the least and the most mean.")


@router.get("/series", response_model=SeriesList)
def show_series(
    request: Request,
    parts: PartsDep,
    run_id: Id,
    metric: Annotated[list[Name], Query(description="Such as loss, accuracy.", min_length=1, max_length=4)],
    clients: Annotated[
        list[ClientId],
        Query(default_factory=list, description="Clients whose values are wanted, too.", max_length=MOST_CLIENTS),
    ],
    phase: Literal["train", "evaluate"] = "evaluate",
    after: Annotated[int, Query(ge=-1, le=MAX_ROUND, description="Rounds after this one.")] = -1,
    last: Annotated[int | None, Query(ge=0, le=MAX_ROUND, description="Rounds up to this one.")] = None,
    buckets: Annotated[
        int, Query(ge=10, le=4000, description=f"For more than {THINNED_ABOVE} rounds; two rounds are kept of each.")
    ] = BUCKETS,
) -> Response:
    """Return metrics of a run as columns by round: the mean, the spread of all clients, some clients' values."""
    with parts.database.read() as session:
        since, stretch = started_at(get_run(session, run_id)), Stretch(after, last, buckets)
        metrics = list(dict.fromkeys(metric))
        curves, total = parts.overviews.curves_of(session, run_id, phase, metrics, clients, since, stretch)
    made = SeriesList(
        items=[_series(curve) for curve in curves], phase=phase, total=total,
        last_round=curves[0].rounds[-1] if total else after, thinned=stretch.size(total) > 1,
    )  # fmt: skip
    answer = Response(made.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})
    pack(request, answer)
    return answer


def _series(curve: Curve) -> Series:
    return Series(
        metric=curve.metric, rounds=curve.rounds, seconds=_short(curve.seconds), work=_short(curve.work),
        bytes=curve.bytes, mean=_short(curve.mean), odd=curve.odd, least=_short(curve.least),
        low=_short(curve.low), high=_short(curve.high), most=_short(curve.most),
        clients={client_id: _short(column) for client_id, column in curve.clients.items()},
    )  # fmt: skip


def _short(column: Sequence[float | None]) -> Column:
    """Six digits are more than a chart can show, and half of what a float prints."""
    return [None if value is None else float(f"{value:.6g}") for value in column]
