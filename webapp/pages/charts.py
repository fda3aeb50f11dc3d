"""What a page says of a run's curves before any script has run: the figures, and the last values as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from sqlalchemy.orm import Session

from webapp.repository.metrics import spread_by_round
from webapp.repository.rounds import newest_rounds
from webapp.tables import Run

ROWS = 100
METRICS = (("accuracy", "Accuracy"), ("loss", "Loss"))


@dataclass(frozen=True, slots=True)
class Value:
    """One round of one metric: the mean, and the ends of the clients' spread."""

    round: int
    mean: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart's head: the last value, how it changed, the best one; and the last rounds as a table."""

    metric: str
    title: str
    last: Value | None
    before: Value | None
    best: tuple[float, int] | None
    rows: list[Value]


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The charts of a run."""

    run_id: int
    figures: list[Figure]


def charts_of(session: Session, run: Run) -> RunCharts:
    """Return what the charts of a run say in words."""
    rounds = [(row.round, row.metrics) for row in reversed(newest_rounds(session, run.id, limit=ROWS))]
    return RunCharts(run.id, [_figure(session, run, metric, title, rounds) for metric, title in METRICS])


def _figure(
    session: Session, run: Run, metric: str, title: str, rounds: Sequence[tuple[int, dict[str, float | None]]]
) -> Figure:
    spread: dict[int, list[float]] = {}
    for round_, _, value in (
        spread_by_round(session, run.id, "evaluate", metric, [r for r, _ in rounds]) if rounds else ()
    ):
        if value is not None:
            spread.setdefault(round_, []).append(value)
    rows = [
        Value(
            r,
            _mean(means, f"evaluate_{metric}"),
            min(spread.get(r, ()), default=None),
            max(spread.get(r, ()), default=None),
        )
        for r, means in rounds
    ]
    best = run.best_metrics.get(f"evaluate_{metric}")
    return Figure(
        metric, title, rows[-1] if rows else None, rows[-2] if len(rows) > 1 else None,
        (best["value"], best["round"]) if best else None, rows,
    )  # fmt: skip


def _mean(means: Mapping[str, float | None], name: str) -> float | None:
    """Return a round's mean: None where there is none, NaN where it is no number (stored as null)."""
    return nan if name in means and means[name] is None else means.get(name)
