"""What API and pages show of channels and deliveries: never a secret, and of an address no more than its host."""

from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from webapp.db.tables import NotificationChannel, NotificationDelivery
from webapp.operations.notifications.messages import ChannelKind, Occasion


class ChannelView(BaseModel):
    """One channel."""

    id: int
    name: str
    kind: ChannelKind
    address: str = Field(description="E-mail addresses; of a URL its scheme and host, since the rest is a secret.")
    has_secret: bool
    events: list[Occasion]
    target_metric: str | None
    target_value: float | None
    enabled: bool
    created_at: datetime


class DeliveryView(BaseModel):
    """One notification to one channel."""

    id: int
    channel_id: int
    channel: str
    delivery_id: str
    event: Occasion
    title: str
    state: Literal["queued", "sent", "failed", "dropped"]
    tries: int
    outcome: str
    created_at: datetime
    next_try_at: datetime | None
    tried_at: datetime | None


def channel_view(row: NotificationChannel) -> ChannelView:
    """Return a channel without what is secret."""
    shown = {name: getattr(row, name) for name in ChannelView.model_fields if hasattr(row, name)}
    return ChannelView(**shown | {"address": _masked(row), "has_secret": bool(row.secret)})


def delivery_view(row: NotificationDelivery, channel: str) -> DeliveryView:
    """Return a delivery with the name of its channel."""
    shown: dict[str, Any] = {name: getattr(row, name) for name in DeliveryView.model_fields if hasattr(row, name)}
    if row.state != "queued":
        shown["next_try_at"] = None
    return DeliveryView(**shown, channel=channel, title=str(row.message.get("title", "")))


def _masked(row: NotificationChannel) -> str:
    if row.kind == "email":
        return row.address
    parts = urlsplit(row.address)
    return f"{parts.scheme}://{parts.hostname}/…"
