"""One phase's request to its clients and their replies, as the run's thread and the lane share them."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from federation.protocol import messages
from federation.protocol.frames import BINARY, frame_head
from federation.run.events import Outcome, Phase
from federation.transport.assignment_states import MOVES, AssignmentState, ForbiddenMove
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout

_RECEIVING, _AWAY = AssignmentState.RECEIVING, AssignmentState.AWAY

TaskConfig = Mapping[str, object]
"""What a task's ClientApp finds in its config: names to values that JSON can hold."""

GiveBack = Callable[[int, bytearray | None], None]
"""Gets the bytes that a used content held of the reply budget, and its memory where the next content may take it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A connected client that may be sampled. ``session`` is new with each start of its process."""

    client_id: int
    name: str
    data: Mapping[str, object]
    session: str


class Content:
    """Weights to send: cut into frames once, the same frames for every client. Immutable, for any thread."""

    def __init__(self, layout: Layout, buffer: bytes | bytearray | memoryview) -> None:
        self.layout, self.buffer = layout, buffer
        self.id = content_id(buffer)
        self.header = messages.ContentHeader(id=self.id, size_bytes=layout.size_bytes, layout=layout.to_json())
        self.frames = tuple(
            (frame_head(BINARY, len(head) + len(data)) + head, data)
            for head, data in messages.piece_parts(self.id, buffer)
        )
        self.size_bytes = layout.size_bytes

    @cached_property
    def header_json(self) -> dict[str, object]:
        """The header as it stands in a task."""
        return self.header.model_dump()


@dataclass(slots=True)
class Incoming:
    """A content that arrives: its memory, how much of it is there, and what it holds of the reply budget.

    ``granted_bytes`` is 0 for a content so small that it is not counted. ``granted_at`` is on the monotonic clock.
    """

    content_id: str
    buffer: bytearray
    granted_bytes: int
    granted_at: float
    received_bytes: int = 0


@dataclass(eq=False, repr=False, slots=True)
class Assignment:
    """One client's task in an exchange, and where it stands. After it was dispatched, the loop alone touches it.

    ``session`` is the process that the task was sent to. ``offer`` is the client's last one, ``offered_at`` when it
    came. ``incoming`` and ``away_since`` (monotonic clock) are there in the states RECEIVING and AWAY only.
    """

    exchange: "Exchange"
    client_id: int
    message_id: str
    config: TaskConfig
    session: str = ""
    bytes_down: int = 0
    offer: messages.Offer | None = None
    offered_at: float | None = None
    state: AssignmentState = AssignmentState.CREATED
    incoming: Incoming | None = None
    away_since: float | None = None

    def advance(self, to: AssignmentState, *, incoming: Incoming | None = None) -> None:
        """Move to another state; ``incoming`` goes with RECEIVING. What belongs to the present state is dropped.

        Raises
        ------
        ForbiddenMove
            Where the present state does not lead there. Nothing has changed then.
        """
        if to not in MOVES[self.state] or (incoming is not None) != (to is _RECEIVING):
            raise ForbiddenMove(f"task {self.message_id} cannot move from {self.state} to {to}")
        if to is _AWAY:
            self.exchange.away += 1
            self.away_since = time.monotonic()
        elif self.state is _AWAY:
            self.exchange.away -= 1
            self.away_since = None
        self.state, self.incoming = to, incoming

    def task_text(self) -> str:
        """Return the task's frame: all but the message id is encoded once for all clients that get the same config."""
        exchange = self.exchange
        config, text = exchange.encoded_task
        if config is not self.config:
            frame = {
                "run_id": exchange.run_id, "round": exchange.round, "phase": exchange.phase,
                "deadline_seconds": exchange.deadline_seconds, "config": self.config,
                "content": exchange.content.header_json if exchange.content is not None else None,
            }  # fmt: skip
            text = json.dumps(frame, separators=(",", ":"))
            exchange.encoded_task = (self.config, text)
        return f'{{"type":"task","message_id":{json.dumps(self.message_id)},{text[1:]}'

    def settle(self, outcome: Outcome, reason: str | None = None) -> "Reply":
        """Move to SETTLED and return what became of the task; ``accepted`` hands the received content over."""
        exchange, incoming, now = self.exchange, self.incoming, time.monotonic()
        self.advance(AssignmentState.SETTLED)
        reply = Reply(
            exchange, self.client_id, outcome, reason, self.offer, bytes_down=self.bytes_down,
            offered_at_seconds=self.offered_at - exchange.started if self.offered_at is not None else None,
            received_at_seconds=now - exchange.started,
        )  # fmt: skip
        if outcome == "accepted" and incoming is not None:
            reply.content, reply.bytes_up = incoming.buffer, incoming.received_bytes
            reply.granted_bytes = incoming.granted_bytes
        return reply


@dataclass(eq=False, repr=False, slots=True)
class Reply:
    """What became of one client's task. Belongs to the thread that it is delivered to.

    ``outcome`` is accepted (it arrived and is yet to be checked), failed, refused or lost; ``reason`` is a sentence for
    all but accepted. ``offer`` is the header that the client sent, where it sent one. ``bytes_up`` counts bytes of
    content. The offsets count from the start of the exchange. ``granted_bytes`` are held of the reply budget.
    """

    exchange: "Exchange"
    client_id: int
    outcome: Outcome
    reason: str | None
    offer: messages.Offer | None
    bytes_down: int
    offered_at_seconds: float | None
    received_at_seconds: float
    content: bytearray | None = None
    bytes_up: int = 0
    granted_bytes: int = 0

    def release(self, *, reuse_memory: bool = False) -> None:
        """Drop the content: it has been used, and the next offer may be granted. Harmless when called again.

        Pass ``reuse_memory`` where nothing refers to the content any more: its memory then takes the next one.
        """
        content, self.content = self.content, None
        if content is not None and self.granted_bytes:
            self.exchange.give_back(self.granted_bytes, content if reuse_memory else None)


@dataclass(eq=False, repr=False)
class Exchange:
    """One phase of one attempt: a task for each client, and a call of ``deliver`` for each reply, on the loop.

    The run's thread makes it, adds tasks, has a lane start it, and may close it at any time. ``waiting`` (tasks by
    message id), ``away`` (how many of them are AWAY) and ``encoded_task`` belong to the loop from the start on.
    """

    run_id: int
    round: int
    attempt: int
    phase: Phase
    deadline_seconds: float
    deliver: Callable[[Reply], None]
    layout: Layout | None = None
    content: Content | None = None
    started: float = field(default_factory=time.monotonic)
    waiting: dict[str, Assignment] = field(default_factory=dict, init=False)
    away: int = field(default=0, init=False)
    encoded_task: tuple[TaskConfig | None, str] = field(default=(None, ""), init=False)
    """The config that was encoded last, and the text of its tasks."""
    _close: Callable[["Exchange"], None] | None = field(default=None, init=False)
    _give_back: GiveBack | None = field(default=None, init=False)
    _expire: Callable[["Exchange"], None] | None = field(default=None, init=False)
    _reconnect_seconds: float = field(default=0.0, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def add_tasks(self, tasks: Iterable[tuple[int, TaskConfig]], unique: str) -> None:
        """Add a task for each (client id, config); ``unique`` makes message ids that no other exchange has."""
        for client_id, config in tasks:
            message_id = f"{self.run_id}-{self.round}-{self.attempt}-{self.phase}-{client_id}-{unique}"
            self.waiting[message_id] = Assignment(self, client_id, message_id, config)

    def bind(self, close: Callable[["Exchange"], None], give_back: GiveBack) -> None:
        """Called by the lane that starts the exchange: two callables that pass to its loop, from any thread."""
        self._close, self._give_back = close, give_back

    def close(self) -> None:
        """Wait for nothing more: tasks under way are cancelled. From any thread; before the start it does nothing."""
        if self._close is not None:
            self._close(self)

    def give_back(self, size_bytes: int, spare: bytearray | None) -> None:
        """Return what a used content held of the reply budget, and its memory for the next one. From any thread."""
        if self._give_back is not None:
            self._give_back(size_bytes, spare)

    # -- on the loop ----------------------------------------------------------------------------------------------

    def open(self, reconnect_seconds: float, expire: Callable[["Exchange"], None]) -> None:
        """Begin. ``expire`` is called when only clients are waited for that have been away for too long."""
        self._reconnect_seconds, self._expire = reconnect_seconds, expire

    def complete(self, assignment: Assignment, reply: Reply) -> None:
        """Remove an assignment that is settled, and deliver its reply. ``watch_away`` is due after it."""
        del self.waiting[assignment.message_id]
        self.deliver(reply)

    def watch_away(self) -> None:
        """Where only clients that are away are missing, give them ``reconnect_seconds``; then the exchange expires.

        As long as another client works there is no hurry: a client may come back with its reply. To be called after
        every change of ``waiting`` or ``away``; unless all clients are away, its cost does not grow with their number.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._expire is None or not self.waiting or self.away < len(self.waiting):
            return
        last = max(assignment.away_since or 0.0 for assignment in self.waiting.values())
        left = last + self._reconnect_seconds - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(left, 0.0), self._expire, self)
