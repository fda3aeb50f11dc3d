"""What admins do to channels: add, switch on and off, test, remove; and what was delivered."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite

from webapp.db.database import Database, Session
from webapp.db.repository.notifications import channels as table
from webapp.db.repository.notifications.deliveries import newest_deliveries
from webapp.db.tables import NotificationChannel
from webapp.operations.notifications.mail import parse_recipients
from webapp.operations.notifications.messages import ChannelKind, Occasion, make_message
from webapp.operations.notifications.outbox import Outbox
from webapp.operations.notifications.views import ChannelView, DeliveryView, channel_view, delivery_view
from webapp.operations.notifications.webhooks import parse_target
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import clean_text

MAX_NAME, MAX_CHANNELS, MAX_SECRET, LOG_ROWS = 64, 50, 200, 100


class Channels:
    """The channels of this dashboard. Any thread may call it; methods with a channel_id raise NotFound."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database, self._outbox = database, outbox
        self._reload()

    def list(self) -> list[ChannelView]:
        """Return all channels, without secrets."""
        with self._database.read() as session:
            return [channel_view(row) for row in table.list_channels(session)]

    def deliveries(self) -> Sequence[DeliveryView]:
        """Return the newest deliveries, newest first."""
        with self._database.read() as session:
            return [delivery_view(row, name) for row, name in newest_deliveries(session, LOG_ROWS)]

    def add(
        self, name: str, kind: ChannelKind, address: str, secret: str, events: Sequence[Occasion],
        target_metric: str | None = None, target_value: float | None = None,
    ) -> tuple[ChannelView, str]:  # fmt: skip
        """Return a new channel, and the key of its signature where one was made for it; raises Invalid."""
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
        row = NotificationChannel(
            name=name, kind=kind, address=address, secret="" if kind in ("email", "slack", "teams") else secret or made,
            events=list(chosen), target_metric=metric, target_value=value, enabled=True, created_at=datetime.now(UTC),
        )  # fmt: skip
        with self._database.write() as session:
            if len(table.list_channels(session)) >= MAX_CHANNELS:
                raise Conflict(f"There are {MAX_CHANNELS} channels: remove those that are not needed.")
            view = channel_view(table.insert_channel(session, row))
        self._reload()
        return view, made

    def set_enabled(self, channel_id: int, enabled: bool) -> ChannelView:
        """Switch a channel on or off; what is queued for it is still sent."""
        with self._database.write() as session:
            table.set_enabled(session, channel_id, enabled)
            session.expire_all()
            view = channel_view(_get(session, channel_id))
        self._reload()
        return view

    def remove(self, channel_id: int) -> None:
        """Remove a channel with its deliveries."""
        with self._database.write() as session:
            _get(session, channel_id)
            table.delete_channel(session, channel_id)
        self._reload()

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
    row = table.get_channel(session, channel_id)
    if row is None:
        raise NotFound(f"There is no channel {channel_id}.")
    return row


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


def _target(
    events: Sequence[Occasion], metric: str | None, value: float | None
) -> tuple[str | None, float | None]:  # fmt: skip
    if Occasion.TARGET_REACHED not in events:
        return None, None
    name = clean_text(metric or "", 100)
    if not name.startswith(("train_", "evaluate_")):
        raise Invalid("target_metric", "must be a metric such as evaluate_accuracy")
    if value is None or not isfinite(value):
        raise Invalid("target_value", "must be a number")
    return name, value
