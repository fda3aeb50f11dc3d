"""Where notifications go, and what was sent. Addresses and secrets are stored as they are: they are needed to send."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NO_ID_TWICE, NumberedRow, UtcTime


class NotificationChannel(NumberedRow):
    """One address that gets notifications, and of which events."""

    __tablename__ = "notification_channels"

    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    """webhook, slack, teams, ntfy or email."""
    address: Mapped[str] = mapped_column(Text)
    """A URL, or e-mail addresses with commas between them."""
    secret: Mapped[str] = mapped_column(Text)
    """Key of the signature of a webhook, or token of ntfy; empty where there is none."""
    events: Mapped[list[str]] = mapped_column(JSON)
    target_metric: Mapped[str | None] = mapped_column(String(100))
    target_value: Mapped[float | None]
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class NotificationDelivery(NumberedRow):
    """One notification to one channel; ``key`` keeps an event from being queued twice."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        UniqueConstraint("channel_id", "key", name="uq_notification_deliveries_key"),
        Index("ix_notification_deliveries_due", "state", "next_try_at"),
        NO_ID_TWICE,
    )

    channel_id: Mapped[int] = mapped_column(ForeignKey("notification_channels.id"))
    delivery_id: Mapped[str] = mapped_column(String(36))
    """The receiver knows by it that it gets the same notification again."""
    key: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(String(20))
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    """queued, sent, failed or dropped."""
    tries: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(300))
    """What the last try ended with."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    next_try_at: Mapped[datetime] = mapped_column(UtcTime)
    """While it is queued: not before then."""
    tried_at: Mapped[datetime | None] = mapped_column(UtcTime)
