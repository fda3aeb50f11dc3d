"""What a peer may send over HTTP, how long it may take, and how many connections a port serves."""

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit
from federation.protocol.guarded_http import MAX_HEAD_BYTES, MAX_HEADER_LINES
from federation.transport.admission import Limits
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient, Stage
from tests.support.processes import wait_until
from tests.support.sockets import accepted_sockets

START = b"GET / HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Flower port that is less patient."""
    with running_engine(tmp_path_factory.mktemp("engine"), Limits(first_request_seconds=0.5)) as started:
        yield started


@contextmanager
def connected(engine: Engine, address: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Give a connection from one of this machine's addresses."""
    host, port = engine.address.split(":")
    with socket.create_connection((host, int(port)), 5, (address, 0)) as peer:
        yield peer


def read_to_the_end(peer: socket.socket) -> bytes:
    """Return all that the server still sends."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := peer.recv(65_536):
            received += data
    return received


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def head_of(size: int) -> bytes:
    """Return a head with that many bytes before its blank line."""
    return START + b"x: " + b"a" * (size - len(START) - 5) + b"\r\n\r\n"


LINES = b"x: y\r\n" * (MAX_HEADER_LINES - 1)
HEADS: dict[str, tuple[bytes, list[int]]] = {
    "as large as it may be": (head_of(MAX_HEAD_BYTES), [200]),
    "larger": (head_of(MAX_HEAD_BYTES + 1), [431]),
    "much larger": (head_of(4 * MAX_HEAD_BYTES), [431]),
    "larger and without an end": (START + b"x: " + b"a" * MAX_HEAD_BYTES, [431]),
    "larger behind another request": (START + b"\r\n" + head_of(MAX_HEAD_BYTES + 1), [200, 431]),
    "with as many lines as it may have": (START + LINES + b"\r\n", [200]),
    "with more lines": (START + LINES + b"x: y\r\n\r\n", [431]),
    "with an address that is too long": (b"GET /" + b"a" * MAX_HEAD_BYTES, [431]),
    "in front of a body with many lines": (START + b"content-length: 200\r\n\r\n" + b"\n" * 200, [200]),
    "that is no HTTP": (b"\x16\x03\x01 TLS\r\n\r\n", [400]),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_too_large_is_answered_431_and_closed(engine: Engine, name: str) -> None:
    sent, expected = HEADS[name]
    with connected(engine) as peer:
        peer.sendall(sent)
        assert statuses(read_to_the_end(peer)) == expected


def test_a_request_with_two_lengths_is_refused_with_all_that_follows(engine: Engine) -> None:
    """A proxy that goes by the other length would take what follows for a part of the same request."""
    lengths = (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"transfer-encoding: chunked\r\ncontent-length: 5")
    for two in lengths:
        with connected(engine) as peer:
            peer.sendall(b"POST / HTTP/1.1\r\nhost: x\r\n" + two + b"\r\n\r\n0\r\n\r\n" + START + b"\r\n")
            assert statuses(read_to_the_end(peer)) == [400]


def test_a_request_goes_on_after_one_whose_body_was_refused(engine: Engine) -> None:
    with connected(engine) as peer:
        peer.sendall(b"POST /v1/fleet/x HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n")
        assert statuses(peer.recv(65_536)) == [401]
        peer.sendall(bytes(400_000) + START + b"\r\n")
        assert statuses(peer.recv(65_536)) == [200]


BODY = b"POST /v1/fleet/x HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n"
WAITED_FOR: dict[str, bytes] = {
    "nothing": b"",
    "half a head": START,
    "half a body": BODY + b"x",
    "a second head": START + b"\r\n" + START,
    "nothing after an answer": START + b"\r\n",
    "nothing after a refusal": b"\x16\x03\x01 TLS\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WAITED_FOR)
def test_a_peer_that_sends_no_more_is_disconnected(engine: Engine, name: str) -> None:
    with connected(engine) as peer:
        peer.sendall(WAITED_FOR[name])
        began = time.monotonic()
        read_to_the_end(peer)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("start", [START + b"x: ", BODY], ids=["a head", "a body"])
def test_a_peer_that_sends_byte_by_byte_is_disconnected(engine: Engine, start: bytes) -> None:
    with connected(engine) as peer, contextlib.suppress(ConnectionError):
        peer.sendall(start)
        peer.settimeout(0.1)
        began = time.monotonic()
        while True:
            assert time.monotonic() - began < 15
            with contextlib.suppress(TimeoutError):
                if peer.recv(65_536) == b"":
                    break
            peer.sendall(b"x")


def test_a_port_serves_so_many_connections_and_fewer_from_one_address(tmp_path: Path) -> None:
    limits = Limits(connections=ConnectionBounds(total=3, per_address=2))
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        stage.add("a")
        b = stage.add("b")
        engine.wait_online(2)
        with connected(engine) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(START + b"\r\n")
            assert statuses(read_to_the_end(peer)) == [503]
        with connected(engine, "127.0.0.2") as other:
            other.sendall(START + b"\r\n")
            assert statuses(other.recv(65_536)) == [200]
            with connected(engine, "127.0.0.3") as peer:
                assert statuses(read_to_the_end(peer)) == [503]
        stage.do(b.socket.close())
        wait_until(lambda: len(accepted_sockets(engine.address)) == 1)
        stage.do(LightClient(engine.address, "c").run())
        engine.wait_online(2)


def test_addresses_of_one_network_count_as_one() -> None:
    limit = ConnectionLimit(ConnectionBounds(10, 1), "port")
    leave = limit.enter("2001:db8::1")
    assert leave is not None
    assert limit.enter("2001:db8::2") is None
    assert limit.enter("2001:db8:0:1::1") is not None
    leave()
    assert limit.enter("2001:db8::2") is not None
