"""The stream lane, server side: one WebSocket a client, tasks out, replies in. Knows frames, nothing of rounds.

Everything here runs on the Flower server's event loop, but for what stands under "for the run's thread", and
``Exchange.close`` and ``Reply.release``.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.websockets import WebSocket, WebSocketDisconnect

from federation import wire
from federation.connection import Connection
from federation.events import ClientChanged, Progress, Record
from federation.exchange import Assignment, Budget, Exchange, Member, Reply
from federation.lane import Admission, Admit, Limits, Registry
from federation.weights import Layout, LayoutMismatch

log = logging.getLogger(__name__)

REMEMBERED_MESSAGES = 20_000


class StreamLane:
    """Connections of admitted and pending clients, and the exchanges under way over them."""

    def __init__(self, *, admit: Admit, registry: Registry, report: Record, limits: Limits) -> None:
        self._admit, self._registry, self._report, self.limits = admit, registry, report, limits
        self._connections: dict[int, Connection] = {}
        self._assignments: dict[str, Assignment] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._budget = Budget(limits.budget_bytes, self._grant)
        self._slots = asyncio.Semaphore(limits.sending_at_once)
        self._watchers: set[Callable[[], None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    # -- for the run's thread ------------------------------------------------------------------------------------

    def members(self) -> list[Member]:
        """Return the admitted clients that are connected now."""
        return [c.member() for c in list(self._connections.values()) if c.admitted]

    def start(self, exchange: Exchange) -> None:
        """Send the exchange's tasks; its replies are delivered one by one."""
        exchange.lane = self
        self._call(self._dispatch, exchange)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` on the loop whenever a client comes or goes, until ``unwatch``."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` no more."""
        self._watchers.discard(watcher)

    def describe(self, client_id: int, said: dict[str, Any]) -> None:
        """Add what a client said about its data when it prepared to what it said at hello."""
        self._call(self._describe, client_id, said)

    def close_exchange(self, exchange: Exchange) -> None:
        """Cancel what the exchange still waits for."""
        self._call(self._withdraw, exchange)

    def give_back(self, size_bytes: int) -> None:
        """Let the next offers in: a reply of that size has been used."""
        self._call(self._budget.give_back, size_bytes)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # the loop closed in between: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *arguments)

    # -- for the server -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Bind the lane to the running loop."""
        self._loop = asyncio.get_running_loop()

    @property
    def connections(self) -> list[Connection]:
        """Everybody who said a good hello and is still there."""
        return list(self._connections.values())

    def disconnect(self, client_id: int, code: wire.Close, reason: str) -> None:
        """End a client's connection, from any thread."""
        self._call(self._end_client, client_id, code, reason)

    def readmit(self, client_id: int) -> None:
        """Let a pending connection take part, from any thread."""
        self._call(self._admit_pending, client_id)

    def stop(self) -> None:
        """Say bye to everybody and wait for no reply any more."""
        self._stopping = True
        for connection in self.connections:
            connection.end(wire.Close.STOPPING, "the server is stopping")

    def _end_client(self, client_id: int, code: wire.Close, reason: str) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.end(code, reason)

    def _admit_pending(self, client_id: int) -> None:
        if (connection := self._connections.get(client_id)) is not None and not connection.admitted:
            connection.admitted = True
            connection.say(self._welcome(connection))
            self._changed(connection, online=True)

    def _describe(self, client_id: int, said: dict[str, Any]) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.data = {**connection.data, **said}
            self._report(ClientChanged(client_id, online=True, reason="prepared", data=connection.data))

    # -- one connection -------------------------------------------------------------------------------------------

    async def serve(self, websocket: WebSocket) -> None:
        """Hold one client's connection from the challenge to the close."""
        offered = websocket.scope.get("subprotocols") or []
        await websocket.accept(subprotocol=wire.SUBPROTOCOL if wire.SUBPROTOCOL in offered else None)
        connection = Connection(websocket, self._slots)
        writer = asyncio.create_task(connection.write())
        try:
            await self._talk(connection, speaks=wire.SUBPROTOCOL in offered)
        except wire.BadFrame as error:
            connection.end(error.code, str(error))
        except WebSocketDisconnect:
            connection.gone = True
        finally:
            self._forget(connection)
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(writer, self.limits.hello_seconds)

    async def _talk(self, connection: Connection, *, speaks: bool) -> None:
        if self._stopping:
            raise wire.BadFrame("the server is stopping", wire.Close.STOPPING)
        if not speaks:
            raise wire.BadFrame(f"this server speaks {wire.SUBPROTOCOL}", wire.Close.VERSION)
        nonce = secrets.token_hex(32)
        versions: dict[str, Any] = {"protocols": [wire.PROTOCOL], **self.limits.versions}
        connection.say(wire.Challenge(nonce=nonce, time=datetime.now(UTC).isoformat(), versions=versions))
        hello = await self._hello(connection)
        admission = await asyncio.to_thread(self._verify, hello, nonce)
        self._enter(connection, hello, admission)
        while True:
            self._receive(connection, await connection.receive())

    async def _hello(self, connection: Connection) -> wire.Hello:
        try:
            frame = await asyncio.wait_for(connection.receive(), self.limits.hello_seconds)
        except TimeoutError:
            raise wire.BadFrame("no hello within 5 seconds of the challenge", wire.Close.TOO_SLOW) from None
        hello = wire.decode_client(frame) if isinstance(frame, str) else None
        if not isinstance(hello, wire.Hello):
            raise wire.BadFrame("the first frame must be a hello")
        spoken = hello.versions.get("protocol")
        if spoken != wire.PROTOCOL:
            raise wire.BadFrame(f"client speaks protocol {spoken}, server speaks {wire.PROTOCOL}", wire.Close.VERSION)
        return hello

    def _verify(self, hello: wire.Hello, nonce: str) -> tuple[Admission, int]:
        """Check the signature, ask who may join, and find the node's id; in a worker thread."""
        if not self._registry.signed(hello.public_key, wire.SIGNED_PREFIX + nonce.encode(), hello.signature):
            raise wire.BadFrame("the signature does not fit the key and the challenge", wire.Close.SIGNATURE)
        admission = self._admit(hello.public_key, hello)
        if admission.state == "revoked":
            raise wire.BadFrame("this client was revoked on the server", wire.Close.REVOKED)
        return admission, self._registry.node_id(hello.public_key)

    def _enter(self, connection: Connection, hello: wire.Hello, verified: tuple[Admission, int]) -> None:
        admission, node_id = verified
        connection.enter(hello, admission, node_id)
        if (older := self._connections.get(admission.client_id)) is not None:
            older.end(wire.Close.SUPERSEDED, "superseded: a newer connection came with the same key")
        self._connections[admission.client_id] = connection
        connection.say(self._welcome(connection))
        held = set(hello.pending)
        for assignment in [a for a in self._assignments.values() if a.client_id == admission.client_id]:
            if assignment.message_id in held:
                self._drop_content(assignment)
                assignment.away_since = None
                assignment.exchange.settle_soon()
            else:
                self._finish(assignment, lost="connection lost")
        self._changed(connection, online=True)

    def _welcome(self, connection: Connection) -> wire.Welcome:
        state: Literal["admitted", "pending"] = "admitted" if connection.admitted else "pending"
        limits = {"max_frame_bytes": wire.MAX_FRAME_BYTES, "max_reply_bytes": self.limits.max_reply_bytes}
        return wire.Welcome(state=state, client_id=connection.client_id, node_id=str(connection.node_id), limits=limits)

    def _forget(self, connection: Connection) -> None:
        """A connection is over: its tasks wait for it to come back, others hear that it went."""
        connection.close()
        if self._connections.get(connection.client_id) is not connection:
            return
        del self._connections[connection.client_id]
        now = time.monotonic()
        for assignment in [a for a in self._assignments.values() if a.client_id == connection.client_id]:
            self._drop_content(assignment)
            assignment.away_since = now
            assignment.exchange.settle_soon()
        self._changed(connection, online=False)

    def _changed(self, connection: Connection, *, online: bool) -> None:
        reason = connection.reason or ("" if online else "connection lost")
        self._report(ClientChanged(connection.client_id, online=online, reason=reason))
        for watcher in list(self._watchers):
            watcher()

    # -- tasks out ------------------------------------------------------------------------------------------------

    def _dispatch(self, exchange: Exchange) -> None:
        exchange.open(asyncio.get_running_loop(), self.limits.reconnect_seconds, self._finish)
        for assignment in list(exchange.waiting.values()):
            self._assignments[assignment.message_id] = assignment
            connection = self._connections.get(assignment.client_id)
            if connection is None or not connection.admitted:
                self._finish(assignment, lost="not connected")
                continue
            self._tell(assignment, "asked")
            connection.give(assignment)

    def _withdraw(self, exchange: Exchange) -> None:
        for assignment in list(exchange.waiting.values()):
            if (connection := self._connections.get(assignment.client_id)) is not None:
                connection.say(wire.Cancel(message_id=assignment.message_id))
            self._finish(assignment, lost="cancelled")

    # -- replies in -----------------------------------------------------------------------------------------------

    def _receive(self, connection: Connection, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._piece(connection, *wire.read_piece(frame))
            return
        decoded = wire.decode_client(frame)
        if isinstance(decoded, wire.Hello):
            raise wire.BadFrame("a second hello")
        assignment = self._assignments.get(decoded.message_id)
        if assignment is not None and assignment.client_id != connection.client_id:
            raise wire.BadFrame("a frame for another client's task")
        if isinstance(decoded, wire.ProgressFrame):
            if assignment is not None:
                self._tell(assignment, None, decoded)
        elif assignment is not None:
            self._offer(connection, assignment, decoded)
        else:
            late = None if decoded.message_id in self._finished else "it came after its round was over"
            connection.say(wire.Ack(message_id=decoded.message_id, refused=late))

    def _offer(self, connection: Connection, assignment: Assignment, offer: wire.Offer) -> None:
        assignment.offer = offer
        assignment.offered_at = time.monotonic()
        if offer.error is not None:
            self._finish(assignment, error=offer.error[: wire.MAX_ERROR_CHARACTERS] or "it gave no reason")
        elif (refusal := self._refusal(assignment, offer)) is not None:
            self._finish(assignment, refused=refusal)
        elif offer.content is None or offer.content.size_bytes == 0:
            self._finish(assignment)
        elif assignment.buffer is None and not assignment.queued:
            assignment.queued = True
            self._budget.ask(assignment, offer.content.size_bytes)

    def _refusal(self, assignment: Assignment, offer: wire.Offer) -> str | None:
        """Say why the offered content is not wanted, before a byte of it is sent."""
        layout = assignment.exchange.layout
        if offer.content is None:
            return "sends no weights" if assignment.exchange.phase == "train" else None
        if assignment.exchange.phase != "train" or layout is None:
            return f"sends weights with its {assignment.exchange.phase} reply"
        if offer.content.size_bytes > self.limits.max_reply_bytes:
            return f"sends {offer.content.size_bytes} bytes, at most {self.limits.max_reply_bytes} are taken"
        try:
            difference = layout.difference(Layout.from_json(offer.content.layout).entries)
        except LayoutMismatch as error:
            return str(error)
        if difference is None and offer.content.size_bytes != layout.size_bytes:
            return f"sends {offer.content.size_bytes} bytes, the run needs {layout.size_bytes}"
        return difference

    def _grant(self, assignment: Assignment, size_bytes: int) -> None:
        connection = self._connections.get(assignment.client_id)
        assignment.queued = False
        assignment.buffer = bytearray(size_bytes)
        assignment.granted_bytes = size_bytes
        self._tell(assignment, "sending")
        if connection is not None:
            connection.granted[assignment.content_id] = assignment
            connection.say(wire.Grant(message_id=assignment.message_id))

    def _piece(self, connection: Connection, content: str, offset: int, data: memoryview) -> None:
        assignment = connection.granted.get(content)
        if assignment is None or assignment.buffer is None:
            return  # the rest of a content that is no longer wanted
        end = offset + len(data)
        if offset != assignment.received_bytes or end > len(assignment.buffer):
            self._finish(assignment, refused=f"its weights came out of order at byte {offset}")
            return
        assignment.buffer[offset:end] = data
        assignment.received_bytes = end
        if end == len(assignment.buffer):
            self._finish(assignment)

    def _finish(
        self, assignment: Assignment, *, error: str | None = None, refused: str | None = None, lost: str | None = None
    ) -> None:
        """The end of an assignment, once: acknowledge, deliver, forget."""
        if self._assignments.pop(assignment.message_id, None) is None:
            return
        connection = self._connections.get(assignment.client_id)
        if lost is None:
            self._finished[assignment.message_id] = None
            if len(self._finished) > REMEMBERED_MESSAGES:
                self._finished.popitem(last=False)
            if connection is not None:
                connection.say(wire.Ack(message_id=assignment.message_id, refused=refused))
            self._tell(assignment, "sent")
        if connection is not None:
            connection.drop(assignment)
        content = assignment.take() if (error, refused, lost) == (None, None, None) else None
        if content is None:
            self._drop_content(assignment)
        reply = Reply(assignment, content=content, error=error, refused=refused, lost=lost, arrived=time.monotonic())
        assignment.exchange.settle(assignment, reply)

    def _drop_content(self, assignment: Assignment) -> None:
        """Take back what was granted or asked for; an offer that comes again starts over."""
        self._budget.forget(assignment)
        assignment.queued = False
        if assignment.buffer is not None:
            assignment.buffer, assignment.received_bytes = None, 0
            self._budget.give_back(assignment.granted_bytes)

    def _tell(self, assignment: Assignment, task: Any, frame: wire.ProgressFrame | None = None) -> None:
        exchange = assignment.exchange
        if frame is not None:
            task = {"prepare": "preparing", "train": "training", "evaluate": "evaluating"}[exchange.phase]
        progress = Progress(assignment.client_id, exchange.run_id, exchange.round, exchange.phase, task,
                            *((frame.batch, frame.batches, frame.loss) if frame else (None, None, None)))  # fmt: skip
        if (connection := self._connections.get(assignment.client_id)) is not None:
            connection.task = progress
        self._report(progress)
