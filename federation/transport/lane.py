"""The stream lane, server side: one WebSocket a client, tasks out, replies in. Knows frames, nothing of rounds.

Everything here runs on the Flower server's event loop, but for what stands under "for the run's thread", and
``Exchange.close`` and ``Reply.release``.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.websockets import WebSocket, WebSocketDisconnect

from federation.protocol import messages
from federation.run.events import ClientChanged, Record, StoreUnavailable
from federation.transport.admission import Admission, Admit, Limits, Refusal, Registry
from federation.transport.connection import Connection
from federation.transport.dispatcher import Traffic
from federation.transport.ear import Ear
from federation.transport.exchange import Exchange, Member

log = logging.getLogger(__name__)


class StreamLane:
    """Connections of admitted and pending clients, and the exchanges under way over them."""

    def __init__(self, *, admit: Admit, registry: Registry, report: Record, limits: Limits,
                 refused: Callable[[Refusal], None] | None = None) -> None:  # fmt: skip
        self._admit, self._registry, self._report, self.limits = admit, registry, report, limits
        self._refused = refused
        self._connections: dict[int, Connection] = {}
        self._traffic = Traffic(limits, report, self._connections.get)
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
        self._call(self._traffic.dispatch, exchange)

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
        self._call(self._traffic.withdraw, exchange)

    def give_back(self, size_bytes: int, spare: bytearray | None = None) -> None:
        """Let the next offers in: a reply of that size has been used; ``spare`` may take the next one."""
        self._call(self._traffic.give_back, size_bytes, spare)

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

    def disconnect(self, client_id: int, code: messages.Close, reason: str) -> None:
        """End a client's connection, from any thread."""
        self._call(self._end_client, client_id, code, reason)

    def rename(self, client_id: int, name: str) -> None:
        """Call a connected client by another name, from any thread; runs choose clients by their names."""
        self._call(self._rename, client_id, name)

    def readmit(self, client_id: int) -> None:
        """Let a pending connection take part, from any thread."""
        self._call(self._admit_pending, client_id)

    def stop(self) -> None:
        """Say bye to everybody and wait for no reply any more."""
        self._stopping = True
        for connection in self.connections:
            connection.end(messages.Close.STOPPING, "the server is stopping")

    def _end_client(self, client_id: int, code: messages.Close, reason: str) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.end(code, reason)

    def _rename(self, client_id: int, name: str) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.name = name

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
        await websocket.accept(subprotocol=messages.SUBPROTOCOL if messages.SUBPROTOCOL in offered else None)
        connection = Connection(websocket, self._slots)
        writer = asyncio.create_task(connection.write())
        try:
            await self._talk(connection, offered)
        except messages.BadFrame as error:
            if self._connections.get(connection.client_id) is connection:
                self._traffic.break_off(connection.client_id, str(error))
            connection.end(error.code, str(error))
            self._tell_refusal(connection, websocket, error)
        except WebSocketDisconnect:
            connection.gone = True
        finally:
            self._forget(connection)
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(writer, self.limits.hello_seconds)
            connection.part_within(self.limits.hello_seconds)

    async def _talk(self, connection: Connection, offered: Sequence[str]) -> None:
        if self._stopping:
            raise messages.BadFrame("the server is stopping", messages.Close.STOPPING)
        if messages.SUBPROTOCOL not in offered:
            spoken = ", ".join(offered)[:80] or "no sub-protocol"
            raise messages.BadFrame(
                f"client speaks {spoken}, this server speaks {messages.SUBPROTOCOL}", messages.Close.VERSION
            )
        nonce = secrets.token_hex(32)
        versions: dict[str, Any] = {"protocols": [messages.PROTOCOL], **self.limits.versions}
        connection.say(messages.Challenge(nonce=nonce, time=datetime.now(UTC).isoformat(), versions=versions))
        hello = await self._hello(connection)
        connection.name = hello.name
        admission = await asyncio.to_thread(self._verify, hello, nonce)
        self._enter(connection, hello, admission)
        connection.listen(Ear(self._traffic, connection))
        while True:
            self._traffic.receive(connection, await connection.receive())

    def _tell_refusal(self, connection: Connection, websocket: WebSocket, error: messages.BadFrame) -> None:
        if self._refused is not None and error.code != messages.Close.STOPPING:
            address = websocket.client.host if websocket.client else ""
            self._refused(Refusal(int(error.code), str(error), connection.name, address))

    async def _hello(self, connection: Connection) -> messages.Hello:
        try:
            frame = await asyncio.wait_for(connection.receive(), self.limits.hello_seconds)
        except TimeoutError:
            raise messages.BadFrame("no hello within 5 seconds of the challenge", messages.Close.TOO_SLOW) from None
        if len(frame) > messages.MAX_HELLO_BYTES:
            raise messages.BadFrame(f"a hello has at most {messages.MAX_HELLO_BYTES} bytes", messages.Close.TOO_BIG)
        if isinstance(frame, str) and (spoken := messages.spoken_in(frame)) not in (None, messages.PROTOCOL):
            words = f"client speaks protocol {repr(spoken)[:40]}, server speaks {messages.PROTOCOL}"
            raise messages.BadFrame(words, messages.Close.VERSION)
        hello = messages.decode_client(frame) if isinstance(frame, str) else None
        if not isinstance(hello, messages.Hello):
            raise messages.BadFrame("the first frame must be a hello")
        if "protocol" not in hello.versions:
            raise messages.BadFrame(
                f"client names no protocol, server speaks {messages.PROTOCOL}", messages.Close.VERSION
            )
        return hello

    def _verify(self, hello: messages.Hello, nonce: str) -> tuple[Admission, int]:
        """Check the signature, ask who may join, and find the node's id; in a worker thread."""
        key = self._registry.signed(hello.public_key, messages.SIGNED_PREFIX + nonce.encode(), hello.signature)
        if key is None:
            raise messages.BadFrame("the signature does not fit the key and the challenge", messages.Close.SIGNATURE)
        try:
            admission = self._admit(key, hello)
        except StoreUnavailable as error:
            log.warning("%s; a client is to try again", error)
            raise messages.BadFrame("the server cannot look up now who may join", messages.Close.STOPPING) from error
        if admission.state == "revoked":
            raise messages.BadFrame("this client was revoked on the server", messages.Close.REVOKED)
        return admission, self._registry.node_id(key)

    def _enter(self, connection: Connection, hello: messages.Hello, verified: tuple[Admission, int]) -> None:
        admission, node_id = verified
        connection.enter(hello, admission, node_id)
        if (older := self._connections.get(admission.client_id)) is not None:
            older.granted.clear()  # the newer one sends a content from its start: the rest of this one must not mix in
            older.end(messages.Close.SUPERSEDED, "superseded: a newer connection came with the same key")
        self._connections[admission.client_id] = connection
        connection.say(self._welcome(connection))
        self._traffic.came_back(admission.client_id, set(hello.pending))
        self._changed(connection, online=True)

    def _welcome(self, connection: Connection) -> messages.Welcome:
        state: Literal["admitted", "pending"] = "admitted" if connection.admitted else "pending"
        limits = {"max_frame_bytes": messages.MAX_FRAME_BYTES, "max_reply_bytes": self.limits.max_reply_bytes,
                  "unasked_bytes": messages.UNASKED_BYTES}  # fmt: skip
        return messages.Welcome(
            state=state, client_id=connection.client_id, node_id=str(connection.node_id), limits=limits
        )

    def _forget(self, connection: Connection) -> None:
        """A connection is over: its tasks wait for it to come back, others hear that it went."""
        connection.close()
        if self._connections.get(connection.client_id) is not connection:
            return
        del self._connections[connection.client_id]
        self._traffic.went_away(connection.client_id)
        self._changed(connection, online=False)

    def _changed(self, connection: Connection, *, online: bool) -> None:
        reason = connection.reason or ("" if online else "connection lost")
        self._report(ClientChanged(connection.client_id, online=online, reason=reason))
        for watcher in list(self._watchers):
            watcher()
