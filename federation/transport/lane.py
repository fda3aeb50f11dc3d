"""The stream lane, server side: the connections of all clients, and the exchanges over them. Knows nothing of rounds.

Everything here runs on the Flower server's event loop, but for the methods under "from any thread".
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Literal, ParamSpec

from starlette.websockets import WebSocket, WebSocketDisconnect
from structlog.contextvars import bind_contextvars

from federation.protocol import messages
from federation.protocol.tls.proxies import ProxyCertificates
from federation.run.events import ClientChanged, Record, StoreUnavailable
from federation.transport.admission import Admit, Limits, Refusal, Registry
from federation.transport.connection import Connection
from federation.transport.connection_changes import ConnectionChanges
from federation.transport.dispatcher import ConnectionListener, Dispatcher, LaneSnapshot
from federation.transport.exchange import Exchange, Member
from federation.transport.handshake import CANNOT_CHECK, Handshake
from federation.transport.leases.client_leases import ClientLeases
from federation.transport.peer import Peer

log = logging.getLogger(__name__)
_P = ParamSpec("_P")

CLOSED_BY_CLIENT = 1000
"""The close code of a client process that a signal, or the end of its standard input, has ended."""


class StreamLane:
    """Connections of admitted and pending clients, and the exchanges under way over them."""

    def __init__(self, *, admit: Admit, registry: Registry, report: Record, limits: Limits,
                 refused: Callable[[Refusal], None] | None = None,
                 proxies: ProxyCertificates | None = None) -> None:  # fmt: skip
        self._report, self._refused, self._limits, self._registry = report, refused, limits, registry
        self._connections: dict[int, Peer] = {}
        self._dispatcher = Dispatcher(limits, report, self._connections.get)
        self._handshake = Handshake(admit, registry, limits.hello_seconds, proxies)
        self._send_turns = asyncio.Semaphore(limits.sending_at_once)
        self._changes = ConnectionChanges(report)
        self.leases = ClientLeases(self.members)
        """Which run has which client."""
        self._watchers: set[Callable[[], None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    # -- from any thread ------------------------------------------------------------------------------------------

    @property
    def connections(self) -> list[Peer]:
        """The connections of all clients whose hello was good."""
        return list(self._connections.values())

    def members(self) -> list[Member]:
        """Return the admitted clients that are connected now."""
        return [connection.member() for connection in self.connections if connection.is_ready]

    def snapshot(self) -> LaneSnapshot:
        """Return what the lane holds now. The counts are read one after the other, while the loop runs."""
        return self._dispatcher.snapshot()

    def start(self, exchange: Exchange) -> None:
        """Send the exchange's tasks; its replies are delivered one by one."""
        exchange.bind(
            lambda closed: self._call(self._dispatcher.cancel, closed),
            lambda *used: self._call(self._dispatcher.replies.give_back, *used),
        )
        self._call(self._dispatcher.dispatch, exchange)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` on the loop whenever a client comes or goes, until ``unwatch``."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` no more."""
        self._watchers.discard(watcher)

    def describe(self, client_id: int, data: dict[str, object]) -> None:
        """Add what a client's answer to prepare says about its data to what its hello said."""
        self._call(self._add_data, client_id, data)

    def disconnect(self, client_id: int, code: messages.Close, reason: str) -> None:
        """End a client's connection for good: no reply of the client counts any more."""
        self._call(self._end_client, client_id, code, reason)

    def rename(self, client_id: int, name: str) -> None:
        """Change the name of a connected client, from any thread; it is the name in sentences."""
        self._call(self._set_name, client_id, name)

    def readmit(self, client_id: int) -> None:
        """Admit a client whose connection is pending."""
        self._call(self._begin_to_admit, client_id)

    def _call(self, function: Callable[_P, None], *arguments: _P.args, **_: _P.kwargs) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # the loop closed in between: there is nothing left to act on
            self._loop.call_soon_threadsafe(function, *arguments)

    # -- for the server -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Bind the lane to the running loop."""
        self._loop = asyncio.get_running_loop()

    def flush_changes(self, *, at_once: bool = False) -> None:
        """Report connections and disconnections that were counted instead; due about once a second."""
        self._changes.flush(at_once=at_once)

    def stop(self) -> None:
        """Send a bye over every connection, and let no other begin."""
        self._stopping = True
        for connection in self.connections:
            connection.end(messages.Close.STOPPING, "the server is stopping")

    def _end_client(self, client_id: int, code: messages.Close, reason: str) -> None:
        self._dispatcher.refuse_client(client_id, reason)
        if (connection := self._connections.get(client_id)) is not None:
            connection.admitted = False
            connection.end(code, reason)
        else:
            self._handshake.note_decision(client_id)

    def _set_name(self, client_id: int, name: str) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.name = name

    def _begin_to_admit(self, client_id: int) -> None:
        if (connection := self._connections.get(client_id)) is None:
            self._handshake.note_decision(client_id)
        elif not connection.admitted:
            task = asyncio.create_task(self._admit_pending(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _admit_pending(self, connection: Peer) -> None:
        """Welcome a client that was admitted while it was connected; without a node id, let it connect again."""
        try:
            node_id = await asyncio.to_thread(self._registry.node_id, connection.public_key)
        except StoreUnavailable as error:
            log.warning("%s; the client tries again", error)
            connection.end(messages.Close.STOPPING, CANNOT_CHECK)
            return
        if self._connections.get(connection.client_id) is connection and not connection.admitted:
            connection.admitted, connection.node_id = True, node_id
            connection.send(self._welcome(connection))
            self._report_change(connection, online=True)

    def _add_data(self, client_id: int, data: dict[str, object]) -> None:
        if (connection := self._connections.get(client_id)) is not None:
            connection.data = known = {**connection.data, **data}
            self._report(ClientChanged(client_id, online=True, reason="prepared", data=known))

    # -- one connection -------------------------------------------------------------------------------------------

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client's connection from the challenge to the close."""
        offered = websocket.scope.get("subprotocols") or []
        await websocket.accept(subprotocol=messages.SUBPROTOCOL if messages.SUBPROTOCOL in offered else None)
        connection = Connection(websocket, self._send_turns)
        writer = asyncio.create_task(connection.write())
        try:
            await self._serve(connection, offered)
        except messages.BadFrame as error:
            if self._connections.get(connection.client_id) is connection:
                self._dispatcher.refuse_client(connection.client_id, f"broke the protocol: {error}")
            connection.end(error.code, str(error))
            self._report_refusal(connection, error)
        except WebSocketDisconnect as closed:
            connection.mark_disconnected(ended=closed.code == CLOSED_BY_CLIENT)
        finally:
            self.remove(connection)
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(writer, self._limits.hello_seconds)
            connection.abort_within(self._limits.hello_seconds)

    async def _serve(self, connection: Connection, offered: Sequence[str]) -> None:
        if self._stopping:
            raise messages.BadFrame("the server is stopping", messages.Close.STOPPING)
        joined = await self._handshake.run(connection, offered)
        connection.identify(joined.hello, joined.admission, joined.node_id)
        self.add(connection, joined.hello.pending)
        connection.listen(self.listener_of(connection))
        while True:
            self._dispatcher.handle_frame(connection, await connection.receive())

    def _report_refusal(self, connection: Connection, error: messages.BadFrame) -> None:
        if self._refused is not None and error.code != messages.Close.STOPPING:
            self._refused(Refusal(int(error.code), str(error), connection.name, connection.address))

    def add(self, connection: Peer, held: list[str]) -> None:
        """Make a connection its client's present one; an older one of the same client is ended.

        ``held`` are the tasks that the client works on or keeps a reply for.
        """
        bind_contextvars(client_id=connection.client_id)
        log.debug("client %s connects", connection.client_id)
        if (older := self._connections.get(connection.client_id)) is not None:
            older.expected.clear()  # the newer one sends a content from its start: the rest of this one must not mix in
            older.end(messages.Close.SUPERSEDED, "superseded: a newer connection came with the same key")
        self._connections[connection.client_id] = connection
        connection.send(self._welcome(connection))
        self._dispatcher.client_connected(connection, held)
        self._report_change(connection, online=True)

    def listener_of(self, connection: Peer) -> ConnectionListener:
        """Return what takes the frames of a connection."""
        return ConnectionListener(self._dispatcher, connection)

    def _welcome(self, connection: Peer) -> messages.Welcome:
        state: Literal["admitted", "pending"] = "admitted" if connection.admitted else "pending"
        limits = {"max_frame_bytes": messages.MAX_FRAME_BYTES, "max_reply_bytes": self._limits.max_reply_bytes,
                  "unasked_bytes": messages.UNGRANTED_BYTES}  # fmt: skip
        return messages.Welcome(
            state=state, client_id=connection.client_id, node_id=str(connection.node_id), limits=limits
        )

    def remove(self, connection: Peer) -> None:
        """A connection is over: its tasks wait for the client to come back, and watchers are told."""
        connection.close()
        if self._connections.get(connection.client_id) is not connection:
            return
        del self._connections[connection.client_id]
        self._dispatcher.client_disconnected(connection.client_id)
        self._report_change(connection, online=False)

    def _report_change(self, connection: Peer, *, online: bool) -> None:
        reason = connection.close_reason or ("" if online else "connection lost")
        self._changes.add(ClientChanged(connection.client_id, online=online, reason=reason))
        for watcher in list(self._watchers):
            watcher()
