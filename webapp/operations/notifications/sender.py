"""Sends what is queued, on a thread of its own, and tries again with growing delays.

A delivery is marked as sent after the receiver took it: a crash in between sends it again, with the same id.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from federation.run.states import ACTIVE
from webapp.db.database import Database, DatabaseUnavailable
from webapp.db.repository.notifications import deliveries as table
from webapp.db.repository.rows import change_row
from webapp.db.repository.runs import runs_in
from webapp.db.tables import NotificationChannel, NotificationDelivery
from webapp.operations.notifications.mail import Mailer, parse_recipients
from webapp.operations.notifications.messages import Message, Occasion, body_of, plain_text, post_address
from webapp.operations.notifications.outbox import LOST_AFTER, Outbox
from webapp.operations.notifications.webhooks import NotDelivered, Webhooks, signed_headers
from webapp.worker import Worker

log = logging.getLogger(__name__)

DELAYS = (10.0, 60.0, 300.0, 1800.0, 7200.0)
"""Seconds after each failed try; a delivery that fails once more has failed for good."""
POLL_SECONDS = 1.0
RETRY_SECONDS = 5.0
AT_ONCE, MOST_KEPT = 20, 1000
WAITS = frozenset({"quorum", "prepare", "storage"})
"""What a run may wait for too long; a pause is a person's wish."""


class Sender(Worker):
    """Works while there are channels. ``online_ids`` returns the ids of the clients that are connected.

    A run that waits for more than ``wait_seconds`` is told once for each wait.
    """

    stop_seconds = 1.0

    def __init__(
        self, database: Database, outbox: Outbox, webhooks: Webhooks, mailer: Mailer, *,
        online_ids: Callable[[], Collection[int]], wait_seconds: float, delays: Sequence[float] = DELAYS,
    ) -> None:  # fmt: skip
        super().__init__("notifications", outbox.woken)
        self._database, self._outbox, self._webhooks, self._mailer = database, outbox, webhooks, mailer
        self._online_ids, self._wait = online_ids, timedelta(seconds=wait_seconds)
        self._delays, self._longest = delays, LOST_AFTER + timedelta(seconds=max(delays))

    def work(self) -> float | None:
        """Send what is due, at first what an earlier process left in the queue."""
        try:
            queued = self._send_due()
            return POLL_SECONDS if self._outbox.is_used or queued else None
        except DatabaseUnavailable as error:
            log.warning("notifications are sent later: %s", error)
        except Exception:
            log.exception("notifications are sent later")
        return RETRY_SECONDS

    def _send_due(self) -> int:
        """Send what is due, and return how many deliveries are queued still."""
        self._queue_waits()
        now = datetime.now(UTC)
        with self._database.read() as session:
            due = table.due_deliveries(session, now, now + self._longest, AT_ONCE)
        for delivery, channel in due:
            if self.stopped.is_set():
                break
            values = self._try(delivery, channel)
            with self._database.write() as session:
                change_row(session, NotificationDelivery, delivery.id, **values)
                table.delete_oldest(session, MOST_KEPT)
        with self._database.read() as session:
            return table.count_queued(session)

    def _queue_waits(self) -> None:
        if not self._outbox.is_used:
            return
        limit = datetime.now(UTC) - self._wait
        with self._database.read() as session:
            waiting = [run for run in runs_in(session, ACTIVE) if (run.blocked_on or {}).get("kind") in WAITS]
        late = [run for run in waiting if datetime.fromisoformat((run.blocked_on or {})["since"]) < limit]
        if late:
            with self._database.write() as session:
                for run in late:
                    self._outbox.add_wait(session, run)

    def _try(self, delivery: NotificationDelivery, channel: NotificationChannel) -> dict[str, Any]:
        """Send one delivery; return what to store of it."""
        now, tries = datetime.now(UTC), delivery.tries + 1
        message = Message.model_validate(delivery.message)
        if message.event is Occasion.CLIENT_LOST and message.client_id in self._online_ids():
            return {"state": "dropped", "outcome": "the client is online again", "tried_at": now}
        try:
            outcome, state = self._send(message, delivery.delivery_id, channel), "sent"
        except Exception as error:
            if not isinstance(error, NotDelivered):
                log.exception("a notification cannot be sent")
            outcome, state = str(error) if isinstance(error, NotDelivered) else "internal error, see the log", "queued"
        values = {"tries": tries, "outcome": outcome[:300], "tried_at": now, "state": state}
        if state == "queued" and tries > len(self._delays):
            log.warning("channel %s: a notification was not delivered in %s tries: %s", channel.name, tries, outcome)
            values["state"] = "failed"
        elif state == "queued":
            values["next_try_at"] = now + timedelta(seconds=self._delays[tries - 1])
        return values

    def _send(self, message: Message, delivery_id: str, channel: NotificationChannel) -> str:
        kind: Any = channel.kind
        if kind == "email":
            recipients = parse_recipients(channel.address)
            return self._mailer.send(recipients, message.title, plain_text(message), delivery_id)
        body, headers = body_of(kind, message, delivery_id, channel.address), {"X-Meadow-Delivery": delivery_id}
        if kind == "webhook":
            headers = signed_headers(channel.secret, message.event, delivery_id, body)
        elif kind == "ntfy" and channel.secret:
            headers["Authorization"] = f"Bearer {channel.secret}"
        return self._webhooks.post(post_address(kind, channel.address), body, headers)
