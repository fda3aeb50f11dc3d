"""What admins do to channels: add, change, switch on and off, test, remove; and what was delivered."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from webapp.db.database import Database, Session
from webapp.db.repository.notifications import channels as table
from webapp.db.repository.notifications.deliveries import newest_deliveries
from webapp.db.repository.rows import change_row, get_row, insert_row
from webapp.db.tables import NotificationChannel
from webapp.operations.notifications.mail import parse_recipients
from webapp.operations.notifications.messages import ChannelKind, Occasion, make_message
from webapp.operations.notifications.outbox import Outbox
from webapp.operations.notifications.views import ChannelView, DeliveryView, channel_view, delivery_view
from webapp.operations.notifications.webhooks import parse_target
from webapp.problems import Conflict, Invalid
from webapp.sanitizing import clean_text

MAX_NAME, MAX_CHANNELS, MAX_SECRET, LOG_ROWS = 64, 50, 200, 100
CHANGEABLE = ("name", "address", "secret", "events", "target_metric", "target_value")


class Channels:
    """The channels of this dashboard. Any thread may call it; methods with a channel_id raise NotFound."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database, self._outbox = database, outbox
        self._reload()

    def list(self) -> list[ChannelView]:
        """Return all channels, without secrets."""
        with self._database.read() as session:
            return [channel_view(row) for row in table.list_channels(session)]

    def show(self, channel_id: int) -> ChannelView:
        """Return one channel, without secrets."""
        with self._database.read() as session:
            return channel_view(_get(session, channel_id))

    def deliveries(self) -> Sequence[DeliveryView]:
        """Return the newest deliveries, newest first."""
        with self._database.read() as session:
            return [delivery_view(row, name) for row, name in newest_deliveries(session, LOG_ROWS)]

    def add(
        self, name: str, kind: ChannelKind, address: str, secret: str, events: Sequence[Occasion],
        target_metric: str | None = None, target_value: float | None = None,
    ) -> tuple[ChannelView, str]:  # fmt: skip
        """Return a new channel, and the key of its signature where one was made for it; raises Invalid."""
        values, made = _checked(kind, name, address, secret, events, target_metric, target_value)
        row = NotificationChannel(**values, kind=kind, enabled=True, created_at=datetime.now(UTC))
        with self._database.write() as session:
            if len(table.list_channels(session)) >= MAX_CHANNELS:
                raise Conflict(f"There are {MAX_CHANNELS} channels: remove those that are not needed.")
            view = channel_view(insert_row(session, row))
        self._reload()
        return view, made

    def change(self, channel_id: int, changes: Mapping[str, Any]) -> tuple[ChannelView, str]:
        """Change a channel; return it, and the key that was made for an empty one; raises Invalid.

        ``changes`` are values of ``CHANGEABLE``, None for what stays. What is queued is sent to the new address.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        with self._database.write() as session:
            row = _get(session, channel_id)
            kind: Any = row.kind
            values, made = _checked(kind, **({name: getattr(row, name) for name in CHANGEABLE} | given))
            view = _stored(session, channel_id, values)
        self._reload()
        return view, made

    def set_enabled(self, channel_id: int, enabled: bool) -> ChannelView:
        """Switch a channel on or off; what is queued for it is still sent."""
        with self._database.write() as session:
            view = _stored(session, channel_id, {"enabled": enabled})
        self._reload()
        return view

    def remove(self, channel_id: int) -> None:
        """Remove a channel with its deliveries. Before others can write, the outbox queues nothing more for it."""
        try:
            with self._database.write() as session:
                _get(session, channel_id)
                table.delete_channel(session, channel_id)
                self._outbox.use(table.list_channels(session))
        except BaseException:
            self._reload()
            raise

    def test(self, channel_id: int) -> ChannelView:
        """Queue a test notification for a channel."""
        with self._database.write() as session:
            row = _get(session, channel_id)
            message = make_message(Occasion.TEST, "Test of Meadow", f"The channel {row.name} works.")
            self._outbox.queue(session, [channel_id], message, f"test:{message.at.isoformat()}")
            view = channel_view(row)
        self._outbox.woken.set()
        return view

    def _reload(self) -> None:
        with self._database.read() as session:
            self._outbox.use(table.list_channels(session))


def _get(session: Session, channel_id: int) -> NotificationChannel:
    return get_row(session, NotificationChannel, channel_id, "channel")


def _stored(session: Session, channel_id: int, values: dict[str, Any]) -> ChannelView:
    change_row(session, NotificationChannel, channel_id, **values)
    session.expire_all()
    return channel_view(_get(session, channel_id))


def _checked(
    kind: ChannelKind, name: str, address: str, secret: str, events: Sequence[str], target_metric: str | None,
    target_value: float | None,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Return the columns of a channel, and the key of its signature where one was made for it; raises Invalid."""
    name, address = clean_text(name, MAX_NAME), address.strip()
    if not name:
        raise Invalid("name", "A channel needs a name")
    if kind != "email" and not (secret.isascii() and secret.isprintable() and len(secret) <= MAX_SECRET):
        raise Invalid("secret", f"must be at most {MAX_SECRET} printable ASCII characters")
    _check_address(kind, address)
    chosen = [one for one in Occasion if one in events and one is not Occasion.TEST]
    if not chosen:
        raise Invalid("events", "Choose at least one event")
    metric, value = _target(chosen, target_metric, target_value)
    made = secrets.token_urlsafe(32) if kind == "webhook" and not secret else ""
    kept = "" if kind in ("email", "slack", "teams") else secret or made
    return {"name": name, "address": address, "secret": kept, "events": list(chosen), "target_metric": metric,
            "target_value": value}, made  # fmt: skip


def _check_address(kind: ChannelKind, address: str) -> None:
    try:
        if kind == "email":
            parse_recipients(address)
        elif kind == "ntfy" and not parse_target(address).path.rpartition("/")[2].isalnum():
            raise ValueError("must end with the name of a topic, as in https://ntfy.sh/my-topic")
        else:
            parse_target(address)
    except ValueError as error:
        raise Invalid("address", str(error)) from error


def _target(events: Sequence[Occasion], metric: str | None, value: float | None) -> tuple[str | None, float | None]:
    if Occasion.TARGET_REACHED not in events:
        return None, None
    name = clean_text(metric or "", 100)
    if not name.startswith(("train_", "evaluate_")):
        raise Invalid("target_metric", "must be a metric such as evaluate_accuracy")
    if value is None or not isfinite(value):
        raise Invalid("target_value", "must be a number")
    return name, value
