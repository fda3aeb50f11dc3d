"""What both ports rely on of uvicorn and websockets beyond their documented interfaces, name by name."""

import ast
import asyncio
import inspect
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from federation.client.reconnect import Connect
from federation.client.websocket import ClientWebSocket
from federation.protocol.guarded_http import GuardedHttp
from federation.protocol.messages import PATH, SUBPROTOCOL
from federation.protocol.serving import EmbeddedServer
from federation.transport.websocket import StreamProtocol

RELIED_ON: dict[type, dict[str, set[str]]] = {
    StreamProtocol: {
        "overridden": {"connection_made", "connection_lost", "data_received", "handle_connect", "pause_writing",
                       "resume_writing", "send_keepalive_ping"},
        "used": {"close_sent", "config", "conn", "handshake_complete", "keepalive_timeout", "loop", "ping_interval",
                 "ping_timeout", "ping_timer", "queue", "scope", "transport", "writable"},
    },
    GuardedHttp: {
        "overridden": {"connection_made", "connection_lost", "data_received", "handle_events",
                       "handle_websocket_upgrade", "send_400_response"},
        "used": {"client", "conn", "cycle", "flow", "loop", "transport"},
    },
    EmbeddedServer: {
        "overridden": {"capture_signals", "on_tick", "shutdown", "startup"},
        "used": {"run", "should_exit", "started"},
    },
    Connect: {"overridden": {"process_redirect"}, "used": set()},
    ClientWebSocket: {"overridden": {"process_event"}, "used": {"protocol", "send_data", "transport"}},
}  # fmt: skip
ELSEWHERE = {
    StreamProtocol: {"queue"},  # used by the lane's connection
    EmbeddedServer: {"run", "should_exit", "started"},  # used by FlowerServer and DashboardServer
}


class Transport(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": None})
        self.written = b""
        self.writes = 0

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


def own_names(kind: type) -> set[str]:
    """The names that a class defines itself, methods and class attributes."""
    return {name for name in vars(kind) if not name.startswith("__")}


def names_of_self(kind: type) -> set[str]:
    """The attributes of ``self`` that a class reads or writes."""
    tree = ast.parse(inspect.getsource(kind))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


@pytest.mark.parametrize("kind", RELIED_ON, ids=lambda kind: kind.__name__)
def test_the_names_that_are_overridden_and_used_are_those_of_the_list(kind: type) -> None:
    base = kind.__mro__[1]
    assert {name for name in own_names(kind) if hasattr(base, name)} == RELIED_ON[kind]["overridden"]
    set_here = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(kind)))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr.startswith(("_", "last_"))
    }
    of_base = names_of_self(kind) - own_names(kind) - set_here
    assert of_base == RELIED_ON[kind]["used"] - ELSEWHERE.get(kind, set())


def config_of(app: Any) -> uvicorn.Config:
    return uvicorn.Config(app, http=H11Protocol, ws=WebSocketsSansIOProtocol, lifespan="off", log_config=None)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


async def opened() -> WebSocketsSansIOProtocol:
    """uvicorn's own WebSocket after the handshake's request has come."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    config = config_of(app)
    protocol = WebSocketsSansIOProtocol(config, ServerState(), {})
    protocol.connection_made(Transport())
    protocol.data_received((
        f"GET {PATH} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-key: {'a' * 22}==\r\nsec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode())  # fmt: skip
    return protocol


def test_a_websocket_of_uvicorn_has_the_names_that_are_used() -> None:
    async def work() -> None:
        protocol = await opened()
        assert [name for name in RELIED_ON[StreamProtocol]["used"] if not hasattr(protocol, name)] == []
        assert "extensions" in protocol.scope and protocol.config.ws_max_size > 0
        assert isinstance(protocol.conn, Protocol) and hasattr(protocol.conn, "state")
        await asyncio.gather(*protocol.tasks)
        assert protocol.handshake_complete and not protocol.close_sent and protocol.writable.is_set()

    asyncio.run(work())


def test_http_of_uvicorn_has_the_names_that_are_used() -> None:
    """``handle_events`` is called for each request; the states of ``conn`` and ``cycle`` say what comes next."""

    async def work() -> None:
        protocol = H11Protocol(config_of(nothing), ServerState(), {})
        protocol.connection_made(Transport())
        assert [name for name in RELIED_ON[GuardedHttp]["used"] if not hasattr(protocol, name)] == []
        assert not protocol.flow.read_paused and not protocol.flow.write_paused and protocol.cycle is None
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        assert (protocol.conn.our_state, protocol.conn.their_state) == (h11.SEND_RESPONSE, h11.SEND_BODY)
        assert not protocol.cycle.response_complete
        await asyncio.gather(*protocol.tasks)
        assert protocol.cycle.response_complete

    asyncio.run(work())
    for caller in (H11Protocol.data_received, H11Protocol.on_response_complete):
        assert "self.handle_events()" in inspect.getsource(caller)
    assert "self.send_400_response(" in inspect.getsource(H11Protocol.handle_events)
    assert ".their_state is h11.DONE" in inspect.getsource(H11Protocol.on_response_complete)


def test_a_server_of_uvicorn_has_the_names_that_are_used() -> None:
    server = uvicorn.Server(config_of(nothing))
    assert [name for name in RELIED_ON[EmbeddedServer]["used"] if not hasattr(server, name)] == []


def test_the_clients_connection_asks_whether_it_follows_a_redirect() -> None:
    assert "self.process_redirect(" in inspect.getsource(connect)


def test_the_clients_websocket_has_the_names_that_are_used() -> None:
    source = inspect.getsource(ClientWebSocket.__mro__[2])
    assert "self.process_event(event)" in source
    assert all(f"self.{name}" in source for name in RELIED_ON[ClientWebSocket]["used"])
    assert "self.writes" in inspect.getsource(Protocol)


def test_the_clients_websocket_passes_frames_on_as_they_arrive_and_writes_several_at_once() -> None:
    async def work() -> None:
        transport, frames = Transport(), list[str | bytes]()
        websocket = ClientWebSocket(ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN))
        websocket.connection_made(transport)
        websocket.listen(frames.append)
        websocket.data_received(b"\x81\x02hi\x82\x01\x07")
        assert frames == ["hi", b"\x07"]
        websocket.write(["an offer", b"and its content"])
        assert transport.writes == 1
        server = ServerProtocol(state=State.OPEN)
        server.receive_data(transport.written)
        arrived = [bytes(frame.data) for frame in server.events_received() if isinstance(frame, Frame)]
        assert arrived == [b"an offer", b"and its content"]

    asyncio.run(work())
