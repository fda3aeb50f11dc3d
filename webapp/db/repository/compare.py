"""Reads for comparing runs: aggregates by round with what was spent until then, and where a target is met."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.repository.series import outline, places
from webapp.db.tables import MetricPoint, Round, Run

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
    known = outline(session, run.id, ())
    kept = {best["round"] for name, best in run.best_metrics.items() if name.startswith("evaluate_")}
    thin = -(-max(1, run.current_round) // most)
    chosen = [i for i, r in enumerate(known.rounds) if r % thin == 0 or r in kept or r == run.current_round]
    rounds = select(Round.round, Round.metrics).where(
        Round.run_id == run.id, Round.round.in_([known.rounds[i] for i in chosen])
    )
    metrics = {row.round: row.metrics for row in session.execute(rounds)}
    return [Step(r, known.work[i], known.bytes[i], metrics[r]) for i in chosen if (r := known.rounds[i]) in metrics]


def first_round_with(session: Session, run_id: int, phase: str, name: str, value: float, *, least: bool) -> int | None:
    """Return the first round after the initial weights whose aggregate is that high; with ``least``, that low."""
    met = MetricPoint.value <= value if least else MetricPoint.value >= value
    reached = select(MetricPoint.round).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.is_(None), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round > 0, met,
    )  # fmt: skip
    return session.scalar(reached.order_by(MetricPoint.round).limit(1))


def worst_of_clients(session: Session, run: Run, key: str, *, least: bool) -> float | None:
    """Return the lowest value of a client in a run's last round; the highest where the ``least`` is the best."""
    last = places(session, run.id, [key], only=[run.current_round])
    if not last or (spread := last[0].spread[key]) is None:
        return None
    return spread.most if least else spread.least
