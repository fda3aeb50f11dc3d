"""tracking_cursors: how far a tracker has read the events, and which runs have news after that."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.tables import RunEvent, TrackingCursor


def read_cursor(session: Session, tracker: str) -> int | None:
    """Return the id of the newest event that was read for it; None for a tracker that is new."""
    return session.scalar(select(TrackingCursor.event_id).where(TrackingCursor.tracker == tracker))


def set_cursor(session: Session, tracker: str, event_id: int) -> None:
    """Move the cursor of a tracker."""
    session.merge(TrackingCursor(tracker=tracker, event_id=event_id))


def runs_with_news(session: Session, after: int, limit: int) -> tuple[set[int], int]:
    """Return the runs of the events after an id that move a run or end an attempt, and the id of the last one read."""
    query = select(RunEvent.id, RunEvent.run_id, RunEvent.type).where(RunEvent.id > after)
    events = session.execute(query.order_by(RunEvent.id).limit(limit)).all()
    runs = {event.run_id for event in events if event.run_id is not None and event.type in ("run", "round")}
    return runs, events[-1].id if events else after
