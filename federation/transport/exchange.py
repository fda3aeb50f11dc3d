"""One phase's tasks out and replies in, as the run's thread and the lane share them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from federation.protocol import messages
from federation.protocol.frames import BINARY, frame_head
from federation.run.events import Phase
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout

if TYPE_CHECKING:
    from federation.transport.lane import StreamLane


@dataclass(frozen=True, slots=True)
class Member:
    """A connected client that may be asked. ``session`` is new with each connection of its process."""

    client_id: int
    name: str
    data: dict[str, Any]
    session: object


class Content:
    """Weights on their way out: made once, the same frames for every client."""

    def __init__(self, layout: Layout, buffer: bytes | bytearray | memoryview) -> None:
        self.id = content_id(buffer)
        self.header = messages.ContentHeader(id=self.id, size_bytes=layout.size_bytes, layout=layout.to_json())
        self.frames = tuple(
            (frame_head(BINARY, len(head) + len(data)) + head, data) for head, data in messages.cut(self.id, buffer)
        )
        self.size_bytes = layout.size_bytes

    @cached_property
    def header_json(self) -> dict[str, Any]:
        """The header as it stands in a task."""
        return self.header.model_dump()


@dataclass(eq=False, repr=False)
class Assignment:
    """One client's task in an exchange, and what has come of it so far. Belongs to the loop."""

    exchange: "Exchange"
    client_id: int
    message_id: str
    config: dict[str, Any]
    session: object = None
    bytes_down: int = 0
    away_since: float | None = None
    offer: messages.Offer | None = None
    offered_at: float | None = None
    queued: bool = False
    buffer: bytearray | None = None
    received_bytes: int = 0
    granted_bytes: int = 0
    granted_at: float = 0.0

    @property
    def content_id(self) -> str:
        """Id of the content that the client offered."""
        return self.offer.content.id if self.offer and self.offer.content else ""

    def take(self) -> bytearray | None:
        """Hand the received content over; whoever takes it gives the budget back."""
        buffer, self.buffer = self.buffer, None
        return buffer


class Reply:
    """What became of one task: content, or one of error, refused, lost with a sentence."""

    def __init__(self, assignment: Assignment, *, content: bytearray | None, error: str | None, refused: str | None,
                 lost: str | None, arrived: float) -> None:  # fmt: skip
        self.assignment, self.content = assignment, content
        self.error, self.refused, self.lost = error, refused, lost
        started = assignment.exchange.started
        self.received_at_seconds = arrived - started
        self.offered_at_seconds = assignment.offered_at - started if assignment.offered_at is not None else None

    @property
    def exchange(self) -> "Exchange":
        """The exchange that this answers."""
        return self.assignment.exchange

    @property
    def client_id(self) -> int:
        """Who was asked."""
        return self.assignment.client_id

    @property
    def offer(self) -> messages.Offer | None:
        """The header that the client sent, where it sent one."""
        return self.assignment.offer

    @property
    def bytes_up(self) -> int:
        """Bytes of content received."""
        return self.assignment.received_bytes

    def release(self, *, again: bool = False) -> None:
        """Drop the content: it has been used, the next offer may be granted. Harmless when called again.

        With ``again`` nobody looks at the content any more, and its memory takes the next one.
        """
        content, self.content = self.content, None
        lane, granted = self.exchange.lane, self.assignment.granted_bytes
        if content is not None and lane is not None and granted:
            lane.give_back(granted, content if again else None)


@dataclass(eq=False, repr=False)
class Exchange:
    """One phase of one attempt. Made by the run's thread, worked on the loop, heard through ``deliver``."""

    run_id: int
    round: int
    attempt: int
    phase: Phase
    deadline_seconds: float
    deliver: Callable[[Reply], None]
    layout: Layout | None = None
    content: Content | None = None
    lane: "StreamLane | None" = None
    waiting: dict[str, Assignment] = field(default_factory=dict)
    told: tuple[dict[str, Any] | None, str] = (None, "")
    """The config that was written last, and the text of its tasks."""
    started: float = field(default_factory=time.monotonic)

    def ask(self, tasks: Iterable[tuple[int, dict[str, Any]]], unique: str) -> None:
        """Add a task for each (client id, config); ``unique`` makes message ids that no other exchange has."""
        for client_id, config in tasks:
            message_id = f"{self.run_id}-{self.round}-{self.attempt}-{self.phase}-{client_id}-{unique}"
            self.waiting[message_id] = Assignment(self, client_id, message_id, config)

    def close(self) -> None:
        """Wait for nothing more: what is under way is cancelled."""
        if self.lane is not None:
            self.lane.close_exchange(self)

    # -- on the loop ----------------------------------------------------------------------------------------------

    def open(self, loop: asyncio.AbstractEventLoop, reconnect_seconds: float, finish: Callable[..., None]) -> None:
        """Begin: ``finish`` ends an assignment whose client stayed away for too long."""
        self._loop, self._reconnect_seconds, self._finish = loop, reconnect_seconds, finish
        self._timer: asyncio.TimerHandle | None = None

    def settle(self, assignment: Assignment, reply: Reply) -> None:
        """Take an assignment off the list and deliver its reply."""
        if self.waiting.pop(assignment.message_id, None) is not None:
            self.deliver(reply)
        if self.waiting:
            self.settle_soon()
        elif self._timer is not None:
            self._timer.cancel()

    def settle_soon(self) -> None:
        """Where only clients that went away are missing, give them ``reconnect_seconds``, then call them lost.

        As long as somebody else is at work there is no hurry: a client may come back with its reply.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        away = [a.away_since for a in self.waiting.values()]
        if not away or None in away:
            return
        left = max(since for since in away if since is not None) + self._reconnect_seconds - time.monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self.settle_soon)
            return
        for assignment in list(self.waiting.values()):
            self._finish(assignment, lost="connection lost")


class Spares:
    """Memory of used contents: to give fresh pages takes the system longer than it takes a content to fill them."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._free: list[bytearray] = []

    def take(self, size_bytes: int) -> bytearray:
        """Return memory of that size; what stood in it before may still stand there."""
        if self._free and len(self._free[0]) == size_bytes:
            return self._free.pop()
        return bytearray(size_bytes)

    def keep(self, buffer: bytearray) -> None:
        """Keep memory for the next content, as long as all of it is of one size and little enough."""
        if self._free and len(self._free[0]) != len(buffer):
            self._free = []
        if (len(self._free) + 1) * len(buffer) <= self._most_bytes:
            self._free.append(buffer)


class Budget:
    """Bytes of replies in flight: offers are granted in order while they fit, and always at least one."""

    def __init__(self, limit_bytes: int, grant: Callable[[Assignment, int], None]) -> None:
        self.limit_bytes, self.used_bytes, self._grant = limit_bytes, 0, grant
        self._queue: deque[tuple[Assignment, int]] = deque()

    @property
    def waits(self) -> bool:
        """Whether somebody waits for room."""
        return bool(self._queue)

    def ask(self, assignment: Assignment, size_bytes: int) -> None:
        """Grant now or later."""
        self._queue.append((assignment, size_bytes))
        self._serve()

    def give_back(self, size_bytes: int) -> None:
        """Return bytes that were granted, and grant what waits."""
        self.used_bytes -= size_bytes
        self._serve()

    def forget(self, assignment: Assignment) -> None:
        """Take an assignment that waits out of the queue."""
        if assignment.queued:
            self._queue = deque(item for item in self._queue if item[0] is not assignment)

    def _serve(self) -> None:
        while self._queue and (not self.used_bytes or self.used_bytes + self._queue[0][1] <= self.limit_bytes):
            assignment, size_bytes = self._queue.popleft()
            self.used_bytes += size_bytes
            self._grant(assignment, size_bytes)
