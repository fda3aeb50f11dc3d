"""metric_points: writes a round's points, reads those after an id, and the sparklines of the list of runs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from webapp.db.repository.rows import insert_many
from webapp.db.spread import Spread
from webapp.db.tables import METRIC_POINTS, REPLIES, MetricPoint, Round, Run

SPARKLINE_POINTS = 60
Whose = int | Literal["aggregate"]
Samples = dict[tuple[int, str, int | str], tuple[int, int]]
"""Round, phase, and client id or the name of an aggregate -> number of clients and of samples."""


@dataclass(frozen=True, slots=True)
class Point:
    """One metric point; ``value`` is None where ``kind`` is not finite."""

    id: int
    round: int
    phase: str
    client_id: int | None
    name: str
    value: float | None
    kind: str


POINT_COLUMNS = (MetricPoint.id, MetricPoint.round, MetricPoint.phase, MetricPoint.client_id, MetricPoint.name,
                 MetricPoint.value, MetricPoint.kind)  # fmt: skip
"""The fields of a ``Point``, in their order."""
_LAST_ID = select(func.max(METRIC_POINTS.c.id)).where(METRIC_POINTS.c.run_id == bindparam("run_id"))


def insert_points(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write points."""
    insert_many(session, METRIC_POINTS, rows)


def last_metric_id(session: Session, run_id: int) -> int:
    """Return the id of the run's newest point, 0 where there is none."""
    return session.connection().execute(_LAST_ID, {"run_id": run_id}).scalar() or 0


def points_after(
    session: Session, run_id: int, since_id: int = 0, *, names: Collection[str] = (), phases: Collection[str] = (),
    whose: Collection[Whose] = (), limit: int = 10_000,
) -> list[Point]:  # fmt: skip
    """Return points after an id, oldest first. An empty filter matches everything."""
    query = select(*POINT_COLUMNS).where(MetricPoint.run_id == run_id, MetricPoint.id > since_id)
    if names:
        query = query.where(MetricPoint.name.in_(names))
    if phases:
        query = query.where(MetricPoint.phase.in_(phases))
    if whose:
        clients = [one for one in whose if one != "aggregate"]
        chosen = [MetricPoint.client_id.in_(clients)] if clients else []
        query = query.where(or_(*chosen, *([MetricPoint.client_id.is_(None)] if "aggregate" in whose else [])))
    return [Point(*row) for row in session.execute(query.order_by(MetricPoint.id).limit(limit))]


def samples_behind(session: Session, run_id: int, first: int, last: int) -> Samples:
    """Return the numbers of clients and samples behind the values of some rounds."""
    of_run = (REPLIES.c.run_id == run_id, REPLIES.c.round.between(first, last), REPLIES.c.outcome == "accepted")
    columns = REPLIES.c.round, REPLIES.c.phase, REPLIES.c.client_id, REPLIES.c.num_examples
    replies = session.execute(select(*columns).where(*of_run).order_by(REPLIES.c.attempt))
    found: Samples = {(number, phase, client): (1, samples or 0) for number, phase, client, samples in replies}
    rounds = select(Round.round, Round.spread).where(Round.run_id == run_id, Round.round.between(first, last))
    for number, spreads in session.execute(rounds):
        for key, values in (spreads or {}).items():
            phase, _, name = key.partition("_")
            stored: list[Any] = values
            spread = Spread(*stored)
            found[number, phase, name] = (spread.clients, spread.samples)
    return found


def sparklines(session: Session, run_ids: Collection[int]) -> dict[int, list[float | None]]:
    """Return the evaluation accuracy of runs by round, None where it is not finite.

    Of a long run every n-th round is read, about 60 in all, and its last: a list shows fifty runs, and reading all of
    their rounds to find extremes takes thirty times as long (2.6 s with 1,000 rounds each).
    """
    if not run_ids:
        return {}
    step = Run.current_round // SPARKLINE_POINTS + 1
    query = (
        select(MetricPoint.run_id, MetricPoint.value)
        .join(Run, Run.id == MetricPoint.run_id)
        .where(MetricPoint.run_id.in_(run_ids), MetricPoint.client_id.is_(None), MetricPoint.phase == "evaluate")
        .where(
            MetricPoint.name == "accuracy", or_(MetricPoint.round % step == 0, MetricPoint.round == Run.current_round)
        )
    )
    found: dict[int, list[float | None]] = {}
    for run_id, value in session.execute(query.order_by(MetricPoint.run_id, MetricPoint.round)):
        found.setdefault(run_id, []).append(value)
    return found
