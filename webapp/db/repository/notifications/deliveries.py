"""notification_deliveries: those that are queued or due, the newest, and no more than so many."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from webapp.db.tables import NotificationChannel, NotificationDelivery


def is_queued_already(session: Session, channel_id: int, key: str) -> bool:
    """Return whether a channel has a delivery with that key, whatever became of it."""
    same = (NotificationDelivery.channel_id == channel_id, NotificationDelivery.key == key)
    return session.scalar(select(NotificationDelivery.id).where(*same).limit(1)) is not None


def has_queued(session: Session, channel_id: int, prefix: str) -> bool:
    """Return whether a delivery waits for a channel whose key begins so."""
    waits = (NotificationDelivery.channel_id == channel_id, NotificationDelivery.state == "queued")
    begins = NotificationDelivery.key.startswith(prefix, autoescape=True)
    return session.scalar(select(NotificationDelivery.id).where(*waits, begins).limit(1)) is not None


def due_deliveries(
    session: Session, now: datetime, latest: datetime, limit: int
) -> Sequence[tuple[NotificationDelivery, NotificationChannel]]:
    """Return the deliveries that are to be tried now, oldest first, with their channels.

    One that is due after ``latest`` is due now: the clock was set back since.
    """
    at = NotificationDelivery.next_try_at
    query = (
        select(NotificationDelivery, NotificationChannel)
        .join(NotificationChannel, NotificationChannel.id == NotificationDelivery.channel_id)
        .where(NotificationDelivery.state == "queued", or_(at <= now, at > latest))
        .order_by(NotificationDelivery.next_try_at, NotificationDelivery.id)
        .limit(limit)
    )
    return session.execute(query).all()


def newest_deliveries(session: Session, limit: int) -> Sequence[tuple[NotificationDelivery, str]]:
    """Return the newest deliveries with the names of their channels."""
    query = (
        select(NotificationDelivery, NotificationChannel.name)
        .join(NotificationChannel, NotificationChannel.id == NotificationDelivery.channel_id)
        .order_by(NotificationDelivery.id.desc())
        .limit(limit)
    )
    return session.execute(query).all()


def count_queued(session: Session) -> int:
    """Return how many deliveries wait to be sent."""
    return session.scalar(select(func.count()).where(NotificationDelivery.state == "queued")) or 0


def delete_oldest(session: Session, keep: int) -> None:
    """Delete deliveries that are over, but for the newest."""
    ids = select(NotificationDelivery.id).order_by(NotificationDelivery.id.desc())
    last = session.scalar(ids.offset(keep).limit(1))
    if last is not None:
        over = (NotificationDelivery.id <= last, NotificationDelivery.state != "queued")
        session.execute(delete(NotificationDelivery).where(*over))
