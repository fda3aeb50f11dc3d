"""Passes committed events and the progress of clients from any thread to the event streams on the loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from typing import Any

from federation.run.events import Progress
from webapp.db.repository.events import StoredEvent

MAX_PENDING = 1000
PROGRESS_SECONDS = 0.25
SECONDS_PER_STREAM, MAX_DELIVERY_SECONDS = 0.001, 0.25
"""The more streams there are, the longer events are collected: all of them together take a part of one core."""


class Subscription:
    """The events that one stream has not sent yet, in order, and the newest progress of each client.

    Belongs to the loop: no other thread may use it.
    """

    def __init__(self, run_id: int | None, reader: Hashable, loop: asyncio.AbstractEventLoop) -> None:
        self.run_id, self.reader, self.has_ended = run_id, reader, False
        self.overflowed = False
        """More than ``MAX_PENDING`` events were pending: they are dropped, and the reader must read the state again."""
        self._loop, self._wake = loop, asyncio.Event()
        self._events: list[StoredEvent] = []
        self._progress: dict[int, Progress] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._progress_due_at = 0.0

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Add those of the events that concern the run of this stream."""
        mine = [event for event in events if self.run_id in (None, event.run_id, event.data.get("run_id"))]
        if len(self._events) + len(mine) > MAX_PENDING:
            self._events, self.overflowed = [], True
        elif not self.overflowed:
            self._events += mine
        if mine:
            self._wake.set()

    def add_progress(self, newest: dict[int, Progress]) -> None:
        """Replace the clients' earlier progress; the stream gets it about four times a second."""
        mine = {client_id: one for client_id, one in newest.items() if self.run_id in (None, one.run_id)}
        self._progress |= mine
        if mine and self._timer is None:
            self._timer = self._loop.call_at(max(self._progress_due_at, self._loop.time()), self._release_progress)

    def _release_progress(self) -> None:
        self._timer, self._progress_due_at = None, self._loop.time() + PROGRESS_SECONDS
        self._wake.set()

    def end(self) -> None:
        """End the stream."""
        self.has_ended = True
        self._wake.set()
        if self._timer is not None:
            self._timer.cancel()

    async def batches(self) -> AsyncIterator[tuple[list[StoredEvent], list[Progress]]]:
        """Yield events and progress as they come, until the end or an overflow."""
        while not self.has_ended and not self.overflowed:
            await self._wake.wait()
            self._wake.clear()
            events, self._events = self._events, []
            progress: list[Progress] = []
            if self._timer is None:
                progress, self._progress = list(self._progress.values()), {}
            if events or progress:
                yield events, progress


class EventHub:
    """The hub of one process. It is open from ``open`` to ``close``; before and after, it drops everything.

    ``publish``, ``publish_progress``, ``newest_id`` and ``stream_count`` are for any thread, the rest is for the loop.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: set[Subscription] = set()
        self._newest: dict[int, Progress] = {}
        self._scheduled = False
        self._undelivered: list[StoredEvent] = []
        self._delivery: asyncio.TimerHandle | None = None
        self._delivery_due_at = 0.0
        self.newest_id = 0
        """The id of the newest committed event. A session that begins after it was read sees that event."""

    def open(self) -> None:
        """Begin, on the running loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End every stream; new ones end at once."""
        self._loop = None
        self._deliver()
        for subscription in list(self._subscriptions):
            subscription.end()

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._subscriptions)

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Give committed events to every stream; callers keep the order of their ids."""
        self.newest_id = max(self.newest_id, *(event.id for event in events))
        if self._subscriptions:
            self._call(self._collect, events)

    def publish_progress(self, progress: Progress) -> None:
        """Give a client's progress to every stream; a newer one replaces it until the loop delivers it."""
        if self._subscriptions:
            self._newest[progress.client_id] = progress
            if not self._scheduled:
                self._scheduled = True
                self._call(self._deliver_progress)

    @property
    def readers(self) -> set[Hashable]:
        """Who reads the open streams."""
        return {subscription.reader for subscription in self._subscriptions}

    def end_streams_of(self, reader: Hashable) -> None:
        """End the streams of a reader."""
        for subscription in self._subscriptions:
            if subscription.reader == reader:
                subscription.end()

    @contextlib.contextmanager
    def subscribe(self, run_id: int | None, reader: Hashable = None) -> Iterator[Subscription]:
        """Give a subscription to the events of one run, or of all runs and clients; ``reader`` is who reads them."""
        subscription = Subscription(run_id, reader, asyncio.get_running_loop())
        if self._loop is None:
            subscription.end()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.end()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed after the line above: no stream is left
                loop.call_soon_threadsafe(function, *arguments)

    def _collect(self, events: Sequence[StoredEvent]) -> None:
        self._undelivered += events
        if self._delivery is None:
            loop = asyncio.get_running_loop()
            due_at = max(self._delivery_due_at, loop.time())
            self._delivery_due_at = due_at + min(SECONDS_PER_STREAM * len(self._subscriptions), MAX_DELIVERY_SECONDS)
            self._delivery = loop.call_at(due_at, self._deliver)

    def _deliver(self) -> None:
        """Give the collected events to every stream."""
        if self._delivery is not None:
            self._delivery.cancel()
            self._delivery = None
        events, self._undelivered = self._undelivered, []
        for subscription in self._subscriptions:
            subscription.add(events)

    def _deliver_progress(self) -> None:
        self._scheduled = False
        newest, self._newest = self._newest, {}
        for subscription in self._subscriptions:
            subscription.add_progress(newest)
