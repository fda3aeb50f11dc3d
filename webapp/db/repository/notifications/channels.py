"""notification_channels: list and delete."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.db.repository.rows import delete_row
from webapp.db.tables import NotificationChannel, NotificationDelivery


def list_channels(session: Session) -> Sequence[NotificationChannel]:
    """Return all channels, oldest first."""
    return session.scalars(select(NotificationChannel).order_by(NotificationChannel.id)).all()


def delete_channel(session: Session, channel_id: int) -> None:
    """Delete a channel with its deliveries."""
    session.execute(delete(NotificationDelivery).where(NotificationDelivery.channel_id == channel_id))
    delete_row(session, NotificationChannel, channel_id)
