"""notification_channels: list, insert, change, delete."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webapp.db.tables import NotificationChannel, NotificationDelivery


def list_channels(session: Session) -> Sequence[NotificationChannel]:
    """Return all channels, oldest first."""
    return session.scalars(select(NotificationChannel).order_by(NotificationChannel.id)).all()


def get_channel(session: Session, channel_id: int) -> NotificationChannel | None:
    """Return one channel."""
    return session.get(NotificationChannel, channel_id)


def insert_channel(session: Session, row: NotificationChannel) -> NotificationChannel:
    """Add a channel; its id is set then."""
    session.add(row)
    session.flush()
    return row


def change_channel(session: Session, channel_id: int, values: dict[str, Any]) -> bool:
    """Change columns of a channel; False where there is none."""
    query = update(NotificationChannel).where(NotificationChannel.id == channel_id).values(**values)
    return session.execute(query.returning(NotificationChannel.id)).first() is not None


def delete_channel(session: Session, channel_id: int) -> bool:
    """Delete a channel with its deliveries; False where there is none."""
    session.execute(delete(NotificationDelivery).where(NotificationDelivery.channel_id == channel_id))
    query = delete(NotificationChannel).where(NotificationChannel.id == channel_id)
    return session.execute(query.returning(NotificationChannel.id)).first() is not None
