"""/api/runs/compare: curves and results of several runs at once."""

from math import isnan
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from federation.learning.evaluation_data import measured_on
from webapp.charts.downsampling import bucket_size, downsample
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.run_list import runs_of
from webapp.db.tables import Run
from webapp.operations.views import Best
from webapp.pages.comparison.colours import MAX_RUNS
from webapp.pages.comparison.table import Side, compare
from webapp.pages.measure import measure_of
from webapp.pages.runs.query import MAX_LENGTH, Phase
from webapp.problems import Invalid, NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ID, METRIC_NAME, PartsDep

MAX_STEPS = 1500
router = APIRouter(prefix="/api/runs", tags=["runs"], responses={**REFUSED, **MISSING})

CompareIds = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_ID)]],
    Query(min_length=1, max_length=MAX_RUNS, description="Ids of the runs, in the order of the result."),
]
Target = Annotated[
    float | None,
    Query(
        allow_inf_nan=False,
        description="A value of the metric; an accuracy is 0 to 1. Default: 90 % of the best value.",
    ),
]
Metric = Annotated[
    str,
    Query(
        max_length=MAX_LENGTH,
        pattern=METRIC_NAME,
        description="Metric of the results. Default: accuracy, else rmse, else loss.",
    ),
]


class ReachedView(BaseModel):
    """The round in which a run first reached the target."""

    round: int
    seconds: float = Field(description="Duration of the rounds until then, without the waits between them.")
    bytes: int


class StepView(BaseModel):
    """One completed round."""

    round: int
    seconds: float = Field(description="Duration of the rounds up to this one.")
    bytes: int = Field(description="Total traffic up to this round, download and upload.")
    accuracy: float | None
    loss: float | None


class ComparedRun(BaseModel):
    """One run of a comparison; long runs are downsampled to about 1,500 rounds."""

    id: int
    name: str
    state: str
    current_round: int
    num_rounds: int
    best: Best | None
    last: float | None
    measured_on: str = Field(description="The data behind the values.")
    clients: str = Field(description="The clients and samples behind the last value, in words.")
    worst_client: float | None = Field(description="The value of the worst client in the last round.")
    reached: ReachedView | None
    steps: list[StepView]


class DifferingSetting(BaseModel):
    """One setting that differs between the runs."""

    name: str
    values: list[str]


class ComparisonView(BaseModel):
    """Runs side by side."""

    metric: str = Field(description="The metric of best, last, worst_client, target and reached.")
    phase: Phase
    target: float | None
    items: list[ComparedRun]
    settings: list[DifferingSetting]
    repeats: list[list[int]] = Field(description="Ids of the runs, in groups that differ in their seeds only.")


@router.get("/compare")
def compare_runs(
    parts: PartsDep, id: CompareIds, target: Target = None, metric: Metric = "", phase: Phase = "evaluate"
) -> ComparisonView:
    """Return up to eight runs with their curves, their results, and their different settings."""
    with parts.database.read() as session:
        runs = runs_of(session, id)
        measure = measure_of(runs, phase, metric)
        if target is not None and measure.is_share and not 0 <= target <= 1:
            raise Invalid("target", "An accuracy is from 0 to 1.")
        page = compare(session, parts.series, runs, id, target, measure=measure)
        if page.missing:
            raise NotFound(f"There is no run {page.missing[0]}.")
        items = [_compared(side, phase, _steps(session, parts.series, side.run)) for side in page.sides]
    settings = [DifferingSetting(name=one.name, values=one.values) for one in page.settings]
    return ComparisonView(
        metric=measure.name, phase=measure.phase, target=page.target, items=items, settings=settings,
        repeats=[[side.run.id for side in group] for group in page.repeats],
    )  # fmt: skip


def _compared(side: Side, phase: Phase, steps: list[StepView]) -> ComparedRun:
    run, met = side.run, side.reached
    known = side.best is not None and side.best_round is not None
    best = Best.model_validate({"value": side.best, "round": side.best_round}) if known else None
    return ComparedRun(
        id=run.id, name=run.name, state=run.state, current_round=run.current_round, num_rounds=run.num_rounds,
        best=best, last=side.last,
        measured_on=measured_on(run.config, phase), clients=side.clients, worst_client=side.worst,
        reached=ReachedView(round=met.round, seconds=met.seconds, bytes=met.bytes) if met else None,
        steps=steps,
    )  # fmt: skip


def _steps(session: Session, cache: SeriesCache, run: Run) -> list[StepView]:
    """Return a run's rounds; of many the extremes of accuracy in each bucket, the best of each metric and the last."""
    accuracy, loss = (cache.read(session, run, "evaluate", name) for name in ("accuracy", "loss"))
    best = [accuracy.position(one["round"]) for key, one in run.best_metrics.items() if key.startswith("evaluate_")]
    size = bucket_size(len(accuracy), MAX_STEPS // 2, MAX_STEPS)
    shown = downsample(accuracy, accuracy.window(-1), size, [at for at in best if at is not None]).positions
    return [
        StepView(round=r, seconds=work, bytes=sent, accuracy=None if isnan(a) else a, loss=None if isnan(b) else b)
        for (r, work, sent, a), b in zip(
            accuracy.rows[["round", "work", "sent", "mean"]][shown].tolist(), loss["mean"][shown].tolist(), strict=True
        )
    ]
