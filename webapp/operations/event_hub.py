"""Where committed events meet waiting streams. Any thread publishes; a stream reads its subscription on the loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from federation.run.events import Progress
from webapp.db.repository.events import StoredEvent

MOST_WAITING = 1000
PROGRESS_SECONDS = 0.25


class Subscription:
    """What one stream has not sent yet: events in order, and the newest progress of each client."""

    def __init__(self, run_id: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.run_id = run_id
        self.overflowed = False
        """More came than a stream is given: what waited is dropped, and the reader must ask again."""
        self._loop, self._wake, self._ended = loop, asyncio.Event(), False
        self._events: list[StoredEvent] = []
        self._progress: dict[int, Progress] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ready_at = 0.0

    def offer(self, events: Sequence[StoredEvent]) -> None:
        """Take what concerns this stream."""
        mine = [event for event in events if self.run_id in (None, event.run_id, event.data.get("run_id"))]
        if len(self._events) + len(mine) > MOST_WAITING:
            self._events, self.overflowed = [], True
        elif not self.overflowed:
            self._events += mine
        if mine:
            self._wake.set()

    def offer_progress(self, newest: dict[int, Progress]) -> None:
        """Take clients' progress over what they said before; the stream gets it about four times a second."""
        mine = {c: progress for c, progress in newest.items() if self.run_id in (None, progress.run_id)}
        self._progress |= mine
        if mine and self._timer is None:
            self._timer = self._loop.call_at(max(self._ready_at, self._loop.time()), self._let_progress_pass)

    def _let_progress_pass(self) -> None:
        self._timer, self._ready_at = None, self._loop.time() + PROGRESS_SECONDS
        self._wake.set()

    def end(self) -> None:
        """Let the stream end."""
        self._ended = True
        self._wake.set()
        if self._timer is not None:
            self._timer.cancel()

    async def batches(self) -> AsyncIterator[tuple[list[StoredEvent], list[Progress]]]:
        """Give what came, until the end; after an overflow nothing more."""
        while not self._ended and not self.overflowed:
            await self._wake.wait()
            self._wake.clear()
            events, self._events = self._events, []
            progress: list[Progress] = []
            if self._timer is None:
                progress, self._progress = list(self._progress.values()), {}
            if events or progress:
                yield events, progress


class Feed:
    """The hub of one process: open between the start and the end of its loop, deaf otherwise."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: set[Subscription] = set()
        self._newest: dict[int, Progress] = {}
        self._scheduled = False
        self.newest_id = 0
        """The last event that was committed since the start, whether anybody listens or not."""

    def open(self) -> None:
        """Begin on the running loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End every stream, and begin no other; called on the loop."""
        self._loop = None
        for subscription in list(self._subscriptions):
            subscription.end()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._subscriptions)

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Give committed events to every stream; from any thread, in the order of their ids."""
        self.newest_id = max(self.newest_id, *(event.id for event in events))
        if self._subscriptions:
            self._call(self._deliver, events)

    def show(self, progress: Progress) -> None:
        """Give a client's progress to every stream; from any thread. What comes faster than the loop is overwritten."""
        if self._subscriptions:
            self._newest[progress.client_id] = progress
            if not self._scheduled:
                self._scheduled = True
                self._call(self._deliver_progress)

    @contextlib.contextmanager
    def subscribe(self, run_id: int | None) -> Iterator[Subscription]:
        """Give a subscription to one run's events, or to all; called on the loop."""
        subscription = Subscription(run_id, asyncio.get_running_loop())
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
            with contextlib.suppress(RuntimeError):  # closed between the look and the call: nobody is left to hear
                loop.call_soon_threadsafe(function, *arguments)

    def _deliver(self, events: Sequence[StoredEvent]) -> None:
        for subscription in self._subscriptions:
            subscription.offer(events)

    def _deliver_progress(self) -> None:
        self._scheduled = False
        newest, self._newest = self._newest, {}
        for subscription in self._subscriptions:
            subscription.offer_progress(newest)
