"""Queues notifications of events, in the transaction that stores the events: a crash loses none."""

import threading
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from federation.run.metric_goals import goals_of
from federation.run.states import RunState
from webapp.db.database import Session
from webapp.db.repository.events import StoredEvent
from webapp.db.repository.notifications.deliveries import has_queued, is_queued_already
from webapp.db.repository.rows import insert_row
from webapp.db.repository.runs import get_run
from webapp.db.tables import NotificationChannel, NotificationDelivery, Run
from webapp.formatting import count
from webapp.operations.notifications.messages import Message, Occasion, make_message

LOST_AFTER = timedelta(seconds=60)
"""A client that is back by then was not lost: the notification is dropped."""
RUN_STATES = {
    RunState.COMPLETED: (Occasion.RUN_FINISHED, "is completed"), RunState.FAILED: (Occasion.RUN_FAILED, "failed"),
    RunState.INTERRUPTED: (Occasion.RUN_FAILED, "was interrupted"),
}  # fmt: skip


class Outbox:
    """Knows the enabled channels, so that an event of which nobody wants to hear costs nothing. From any thread."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._channels: tuple[NotificationChannel, ...] = ()
        self.woken = threading.Event()
        """Set when there may be something to send."""

    @property
    def is_used(self) -> bool:
        """Whether any channel is enabled."""
        return bool(self._channels)

    def use(self, rows: Iterable[NotificationChannel]) -> None:
        """Set the channels, after a change of them was committed."""
        self._channels = tuple(row for row in rows if row.enabled)
        self.woken.set()

    def add(self, session: Session, events: Sequence[StoredEvent]) -> None:
        """Queue what channels want to know of the events that this transaction stores."""
        for event in events if self._channels else ():
            match event.type:
                case "run" if "from" in event.data and event.data["state"] in RUN_STATES:
                    self._add_end(session, event)
                case "client" if event.data.get("state") == "offline" and event.client_id is not None:
                    self._add_lost(session, event)
                case "round" if event.data.get("committed") and event.data["round"] > 0:
                    self._add_targets(session, event)

    def add_wait(self, session: Session, run: Run) -> None:
        """Queue that a run has waited for too long; once for each wait."""
        waits = run.blocked_on or {}
        message = make_message(
            Occasion.RUN_WAITING, f"{_name(run)} is waiting", f"{waits.get('sentence', '')}.", run_id=run.id
        )
        self.queue(session, self._wanting(Occasion.RUN_WAITING), message, f"wait:{run.id}:{waits.get('since')}")

    def queue(
        self, session: Session, channels: Iterable[int], message: Message, key: str, delay: timedelta = timedelta()
    ) -> None:
        """Queue a message to channels that do not have one with the same key."""
        if message.run_id is not None and self._public_url:
            message.link = f"{self._public_url}/runs/{message.run_id}"
        for channel_id in channels:
            if not is_queued_already(session, channel_id, key):
                insert_row(session, NotificationDelivery(
                    channel_id=channel_id, delivery_id=str(uuid.uuid4()), key=key, event=message.event,
                    message=message.model_dump(mode="json"), state="queued", tries=0, outcome="",
                    created_at=message.at, next_try_at=datetime.now(UTC) + delay,
                ))  # fmt: skip
                self.woken.set()

    def _wanting(self, event: Occasion) -> list[int]:
        return [one.id for one in self._channels if event in one.events]

    def _add_end(self, session: Session, event: StoredEvent) -> None:
        occasion, words = RUN_STATES[event.data["state"]]
        if (channels := self._wanting(occasion)) and (run := _fresh_run(session, event)) is not None:
            reason = f"{event.data['reason']}. " if event.data.get("reason") else ""
            rounds = f"{count(run.current_round)} of {count(run.num_rounds)} rounds are saved. "
            saved = rounds if run.num_rounds else ""
            text = f"{reason}{saved}{_metrics(run.last_metrics)}"
            message = make_message(occasion, f"{_name(run)} {words}", text, run_id=run.id)
            self.queue(session, channels, message, f"run:{event.id}")

    def _add_lost(self, session: Session, event: StoredEvent) -> None:
        if not str(event.data.get("reason", "")).startswith("connection lost"):
            return  # it has ended in order, or was revoked
        prefix = f"lost:{event.client_id}:"
        channels = [one for one in self._wanting(Occasion.CLIENT_LOST) if not has_queued(session, one, prefix)]
        if channels:
            message = make_message(
                Occasion.CLIENT_LOST, f"Client {event.data['name']} is offline", "The connection was lost.",
                client_id=event.client_id,
            )  # fmt: skip
            self.queue(session, channels, message, f"{prefix}{event.id}", LOST_AFTER)

    def _add_targets(self, session: Session, event: StoredEvent) -> None:
        for one in self._channels:
            if Occasion.TARGET_REACHED not in one.events or one.target_metric is None or one.target_value is None:
                continue
            value = event.data["metrics"].get(one.target_metric)
            key = f"target:{event.run_id}:{one.target_value:g}:{one.target_metric}"[:200]
            if value is None or is_queued_already(session, one.id, key):
                continue
            run = _fresh_run(session, event)
            if run is not None and _is_reached(run.config, one.target_metric, value, one.target_value):
                text = f"{one.target_metric} is {value:.6g} after round {event.data['round']}, the target is "
                message = make_message(
                    Occasion.TARGET_REACHED, f"{_name(run)} reached its target", f"{text}{one.target_value:g}.",
                    run_id=run.id,
                )  # fmt: skip
                self.queue(session, [one.id], message, key)


def _is_reached(config: dict[str, Any], metric: str, value: float, target: float) -> bool:
    less = goals_of(config).less_is_better(metric.partition("_")[2])
    return value <= target if less else value >= target


def _fresh_run(session: Session, event: StoredEvent) -> Run | None:
    run = get_run(session, event.run_id) if event.run_id is not None else None
    if run is not None:
        session.refresh(run)
    return run


def _name(run: Run) -> str:
    return f"Run {run.id} ({run.name})"


def _metrics(metrics: dict[str, Any] | None) -> str:
    known = {name: (metrics or {}).get(name) for name in ("evaluate_accuracy", "evaluate_loss")}
    shown = {name: one for name, one in known.items() if isinstance(one, int | float) and isfinite(one)}
    return ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
