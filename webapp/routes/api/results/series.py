"""/api/runs/{id}/series: what charts draw, as columns; of long runs the extremes of each bucket of rounds."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from math import isnan
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from federation.learning.evaluation_data import measured_on
from federation.run.metric_goals import goals_of, is_evaluated_at_server
from webapp.charts.downsampling import BUCKETS, DOWNSAMPLED_ABOVE, bucket_size, downsample
from webapp.db.repository.metrics import last_metric_id
from webapp.db.repository.series import Series, server_values, values_of
from webapp.db.tables import Run
from webapp.http.compression import compress
from webapp.http.conditional import answer_unless_known
from webapp.operations.run_moves import get_run
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ID, MAX_ROUND, METRIC_NAME, Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})

MAX_CLIENTS = 8
VERSION = version("meadow")
Column = list[float | None]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=METRIC_NAME)]
ClientId = Annotated[int, Field(ge=1, le=MAX_ID)]


class SeriesView(BaseModel):
    """One metric of a run by round. All lists are of one length; null is a value that is missing or not finite."""

    metric: str = Field(examples=["accuracy"])
    less_is_better: bool | None = Field(description="Whether lower values are better; null: unknown.")
    rounds: list[int]
    seconds: Column = Field(
        description="How long the run had been active at the end of the round, with its waits and pauses; not the time "
        "between a stop and a resume. By the monotonic clock: setting the clock of the machine changes nothing."
    )
    work: Column = Field(description="Duration of the rounds until then, without the waits between them.")
    bytes: list[int] = Field(description="Total traffic until then, download and upload.")
    mean: Column
    odd: dict[int, str] = Field(description="Round -> nan, inf or -inf, where the mean is not finite.")
    least: Column = Field(description="Minimum over the clients.")
    low: Column = Field(description="10th percentile of the clients.")
    high: Column = Field(description="90th percentile of the clients.")
    most: Column
    reported_by: list[int | None] = Field(description="Number of clients that the mean is over.")
    samples: list[int | None] = Field(description="Number of samples of these clients together; null: unknown.")
    data: str = Field(description="What the values were measured on.")
    clients: dict[int, Column] = Field(description="Values of the requested clients.")
    server: dict[int, float | None] = Field(
        description="Round -> value on held-out data at the server, beside an evaluation; it comes after its round."
    )


class SeriesList(BaseModel):
    """The requested series. Call again with ``after`` = ``last_round`` for newer rounds.

    Where rounds are downsampled, request a shorter range (``after`` and ``last``) to get more of them.
    """

    items: list[SeriesView]
    phase: Literal["train", "evaluate", "server"]
    last_round: int
    total: int = Field(description="Number of requested rounds.")
    thinned: bool = Field(
        description="Whether the rounds are downsampled to the lowest and highest mean of each bucket."
    )


@router.get("/series", response_model=SeriesList)
def show_series(
    request: Request,
    parts: PartsDep,
    run_id: Id,
    metric: Annotated[list[Name], Query(description="Such as loss and accuracy.", min_length=1, max_length=4)],
    clients: Annotated[
        list[ClientId],
        Query(default_factory=list, description="Clients whose values are returned, too.", max_length=MAX_CLIENTS),
    ],
    phase: Literal["train", "evaluate", "server"] = "evaluate",
    after: Annotated[int, Query(ge=-1, le=MAX_ROUND, description="Rounds after this one.")] = -1,
    last: Annotated[int | None, Query(ge=0, le=MAX_ROUND, description="Rounds up to this one.")] = None,
    buckets: Annotated[
        int,
        Query(ge=10, le=4000, description=f"For more than {DOWNSAMPLED_ABOVE:,} rounds; each keeps two rounds."),
    ] = BUCKETS,
) -> Response:
    """Return metrics of a run as columns by round: the mean, the spread of all clients, some clients' values."""
    with parts.database.read() as session:
        run = get_run(session, run_id)
        read = {name: parts.series.read(session, run, phase, name) for name in dict.fromkeys(metric)}
        first = next(iter(read.values()))
        window = first.window(after, last)
        total = window.stop - window.start
        last_round = int(first["round"][window.stop - 1]) if total else after

        def make() -> Response:
            size = bucket_size(total, buckets, DOWNSAMPLED_ABOVE)
            items = [_view(session, run, series, phase, name, clients, window, size) for name, series in read.items()]
            made = SeriesList(items=items, phase=phase, last_round=last_round, total=total, thinned=size > 1)
            answer = Response(made.model_dump_json(), media_type="application/json")
            compress(request, answer)
            return answer

        newest = last_metric_id(session, run_id) if is_evaluated_at_server(run.config) else 0
        same = (VERSION, run_id, run.created_at, run.started_at, request.url.query, last_round, newest)
        return answer_unless_known(request, "Accept-Encoding", same, make)


def _view(
    session: Session, run: Run, series: Series, phase: str, name: str, clients: Sequence[int], window: slice, size: int
) -> SeriesView:
    best = series.position((run.best_metrics.get(f"{phase}_{name}") or {"round": -1})["round"])
    sample = downsample(series, window, size, () if best is None else (best,))
    rows = series.rows[sample.positions]
    rounds = rows["round"].tolist()
    values = values_of(session, run.id, phase, name, clients, only=rounds)
    return SeriesView(
        metric=name, less_is_better=goals_of(run.config).less_is_better(name), rounds=rounds,
        bytes=rows["sent"].tolist(), work=_short(rows["work"]),
        seconds=_short(rows["elapsed"]), mean=_short(rows["mean"]),
        odd={r: series.non_finite[r] for r in rounds if r in series.non_finite},
        least=_short(sample.min), low=_short(rows["p10"]), high=_short(rows["p90"]), most=_short(sample.max),
        reported_by=_counts(rows["clients"]), samples=_counts(rows["samples"]), data=measured_on(run.config, phase),
        clients={c: _short([values.get(c, {}).get(r) for r in rounds]) for c in clients},
        server=_server(session, run, name, rounds) if phase == "evaluate" else {},
    )  # fmt: skip


def _server(session: Session, run: Run, name: str, rounds: Sequence[int]) -> dict[int, float | None]:
    """Return what the server measured of the rounds that are shown."""
    if not is_evaluated_at_server(run.config):
        return {}
    found, shown = server_values(session, run.id, name, rounds), set(rounds)
    return {r: value for (r, _), value in zip(found.items(), _short(found.values()), strict=True) if r in shown}


def _counts(values: Iterable[float]) -> list[int | None]:
    """Write whole numbers; null where there is none, or 0, which stands for an unknown one."""
    return [None if isnan(value) or not value else int(value) for value in values]


def _short(values: Iterable[float | None]) -> Column:
    """Write six digits, more than a chart can show and half of what a float prints; null where there is no number."""
    return [None if value is None or isnan(value) else float(f"{value:.6g}") for value in values]
