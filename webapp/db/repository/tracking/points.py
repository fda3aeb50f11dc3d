"""metric_points as trackers get them: after an id with the times of their rounds, or by round."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from webapp.db.repository.metrics import POINT_COLUMNS, Point
from webapp.db.tables import MetricPoint, Round


@dataclass(frozen=True, slots=True)
class TimedPoint(Point):
    """A metric point, and when its round was committed."""

    at: datetime


def timed_points_after(
    session: Session, run_id: int, after: int, client_ids: Collection[int] | None, limit: int
) -> list[TimedPoint]:  # fmt: skip
    """Return metric points after an id, oldest first: aggregates, and those of some clients, or of all (None)."""
    same = and_(Round.run_id == MetricPoint.run_id, Round.round == MetricPoint.round)
    query = (
        select(*POINT_COLUMNS, Round.committed_at)
        .join(Round, same)
        .where(MetricPoint.run_id == run_id, MetricPoint.id > after)
    )
    if client_ids is not None:
        query = query.where(or_(MetricPoint.client_id.is_(None), MetricPoint.client_id.in_(client_ids)))
    return [TimedPoint(*row) for row in session.execute(query.order_by(MetricPoint.id).limit(limit))]


def points_of(session: Session, run_id: int, client_id: int | None, first: int, last: int) -> list[Point]:
    """Return the metric points of a client, or the aggregates (None), in rounds ``first`` to ``last``, by round.

    They have no times: joined with the rounds, all points would be read again for each round.
    """
    whose = MetricPoint.client_id == client_id if client_id is not None else MetricPoint.client_id.is_(None)
    query = select(*POINT_COLUMNS).where(MetricPoint.run_id == run_id, whose, MetricPoint.round.between(first, last))
    return [Point(*row) for row in session.execute(query.order_by(MetricPoint.round, MetricPoint.id))]
