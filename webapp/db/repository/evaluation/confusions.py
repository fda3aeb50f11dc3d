"""rounds.confusion: the confusion matrix of a round, summed over clients."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from webapp.db.tables import Round


def confusion_up_to(session: Session, run_id: int, round_: int | None) -> tuple[int, dict[str, Any]] | None:
    """Return the newest round that has a matrix, up to a round where one is given, and the matrix."""
    query = select(Round.round, Round.confusion).where(*_with_one(run_id))
    if round_ is not None:
        query = query.where(Round.round <= round_)
    found = session.execute(query.order_by(Round.round.desc()).limit(1)).one_or_none()
    return (found[0], found[1]) if found is not None else None


def rounds_around(session: Session, run_id: int, round_: int) -> tuple[int | None, int | None]:
    """Return the rounds before and after a round that have a matrix."""
    earlier = session.scalar(select(func.max(Round.round)).where(*_with_one(run_id), Round.round < round_))
    later = session.scalar(select(func.min(Round.round)).where(*_with_one(run_id), Round.round > round_))
    return earlier, later


def _with_one(run_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Round.run_id == run_id, Round.confusion.is_not(None)
