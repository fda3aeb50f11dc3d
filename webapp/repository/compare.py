"""Reads for comparing runs: aggregates by round with what was spent until then, and where an accuracy is met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from webapp.tables import MetricPoint, Round, Run

MOST_POINTS = 1500


@dataclass(frozen=True, slots=True)
class Step:
    """One committed round: seconds and bytes of all rounds up to it, the means by names such as ``evaluate_loss``."""

    round: int
    seconds: float
    bytes: int
    metrics: Mapping[str, float | None]


def steps_of(session: Session, run: Run, most: int = MOST_POINTS) -> list[Step]:
    """Return a run's rounds, thinned out to about ``most``, the best and the last included."""
    spent = select(
        Round.round, func.sum(Round.seconds).over(order_by=Round.round).label("seconds"),
        func.sum(Round.bytes_down + Round.bytes_up).over(order_by=Round.round).label("bytes"),
    ).where(Round.run_id == run.id).subquery()  # fmt: skip
    kept = {best["round"] for name, best in run.best_metrics.items() if name.startswith("evaluate_")}
    thin = -(-max(1, run.current_round) // most)
    chosen = or_(Round.round % thin == 0, Round.round.in_({*kept, run.current_round}))
    steps = select(Round.metrics, spent).join(spent, spent.c.round == Round.round)
    return [
        Step(row.round, float(row.seconds), int(row.bytes), row.metrics)
        for row in session.execute(steps.where(Round.run_id == run.id, chosen).order_by(Round.round))
    ]


def first_round_with(session: Session, run_id: int, accuracy: float) -> int | None:
    """Return the first round after the initial weights whose aggregate accuracy is that high."""
    reached = select(func.min(MetricPoint.round)).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.is_(None), MetricPoint.phase == "evaluate",
        MetricPoint.name == "accuracy", MetricPoint.round > 0, MetricPoint.value >= accuracy,
    )  # fmt: skip
    return session.scalar(reached)


def last_accuracies(session: Session, runs: Sequence[Run]) -> dict[int, list[float]]:
    """Return for each run the accuracies of its clients in its last round."""
    found: dict[int, list[float]] = {}
    for run in runs:
        values = select(MetricPoint.value).where(
            MetricPoint.run_id == run.id, MetricPoint.client_id.is_not(None), MetricPoint.phase == "evaluate",
            MetricPoint.name == "accuracy", MetricPoint.round == run.current_round, MetricPoint.value.is_not(None),
        )  # fmt: skip
        found[run.id] = [value for value in session.scalars(values) if value is not None]
    return found
