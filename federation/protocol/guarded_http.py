"""uvicorn's HTTP with bounds on what a peer may send, how long it may take, and how many peers there are.

Both ports use it, each on its server's loop. h11 bounds a line without an end, a chunk's extension and trailers, and
parses no second request before the first is answered. ``tests/federation/server/test_uvicorn.py`` names what is relied
on of uvicorn and h11.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Protocol, runtime_checkable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit, Leave
from federation.protocol.sockets import limit_unsent_bytes

MAX_HEAD_BYTES, MAX_HEADER_LINES = 64 * 1024, 100
MAX_UNWANTED_BYTES = 8 * 1024 * 1024
"""What a peer may still send of a request that is answered: it is dropped, for a close could destroy the answer."""
MIN_BYTES_PER_SECOND = 1024
"""A body that comes more slowly than this is not waited for."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds that a peer may take: to send a request's head, or the next part of its body; to read some of the answer
    that is ready for it; and to read that its request is refused."""

    request: float = 5.0
    unread: float = 30.0
    refused: float = 1.0


class Wait(Enum):
    """What the server waits for."""

    HEAD = "the peer is to send a request's head"
    BODY = "the peer is to send the rest of a body"
    READING = "the peer is to read the answer"
    CLOSE = "the peer is to read that it is refused, and to close"
    APPLICATION = "the application is to answer, or to read the body"


@runtime_checkable
class LeavesPort(Protocol):
    """A protocol of WebSockets that calls ``leave`` when its connection is closed."""

    leave: Leave | None


class GuardedHttp(H11Protocol):
    """Answers 431 to a head over 64 KiB or 100 header lines, 400 to one with two lengths, and 503 to a connection over
    the bounds.

    Once a request is answered, no further body of it is read. A peer that is too slow in sending or reading is cut off.
    """

    limits = HttpLimits()
    connection_limit = ConnectionLimit(ConnectionBounds(), "port")
    _leave: Leave | None = None
    _began_at: float | None = None

    def count_from(self, leave: Leave | None, began_at: float) -> None:
        """Called before ``connection_made`` for a connection that has been counted since then, on the loop's clock."""
        self._leave, self._began_at = leave, began_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called when a peer has connected."""
        super().connection_made(transport)
        limit_unsent_bytes(transport.get_extra_info("socket"))
        self._received_bytes = self._unwanted_bytes = 0
        self._is_refused = False
        self._progress: tuple[Wait, object] = (Wait.HEAD, None)
        self._progress_at = self.loop.time() if self._began_at is None else self._began_at
        self._timer: asyncio.Handle = self.loop.call_soon(self._watch)
        self._leave = self._leave or self.connection_limit.enter(self.client[0] if self.client else "")
        if self._leave is None:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open. Please try again later.")
            transport.close()  # without delay: its descriptor is needed

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed."""
        self._timer.cancel()
        if self._leave is not None:
            self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with what the socket received."""
        self._received_bytes += len(data)
        is_unwanted = self._is_refused or (self._has_answered and self.conn.their_state is h11.SEND_BODY)
        self._unwanted_bytes = self._unwanted_bytes + len(data) if is_unwanted else 0
        if self._unwanted_bytes > MAX_UNWANTED_BYTES:
            self.transport.abort()
        elif not self._is_refused:
            super().data_received(data)

    def handle_events(self) -> None:
        """Called when there is something to parse: what was received, or a request that waited for its turn."""
        head = _head_of(self.conn.trailing_data[0]) if self.conn.their_state is h11.IDLE else b""
        if len(head) > MAX_HEAD_BYTES or head.count(b"\n") > 1 + MAX_HEADER_LINES:
            most = f"{MAX_HEAD_BYTES:,} bytes and {MAX_HEADER_LINES:,} header lines"
            sentence = f"The head of a request has at most {most}."
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
        elif _has_two_lengths(head):
            sentence = "A request has a Content-Length or a Transfer-Encoding, not both."
            self.refuse(HTTPStatus.BAD_REQUEST, sentence)
        else:
            super().handle_events()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over to the protocol of WebSockets."""
        self._timer.cancel()
        super().handle_websocket_upgrade(event)
        successor = self.transport.get_protocol()
        if isinstance(successor, LeavesPort):
            successor.leave = self._leave

    def send_400_response(self, msg: str) -> None:
        """Called when what came is no HTTP, or when h11 has read too much without an end."""
        is_too_long = len(self.conn.trailing_data[0]) > MAX_HEAD_BYTES
        self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if is_too_long else HTTPStatus.BAD_REQUEST, msg)

    def refuse(self, status: HTTPStatus, sentence: str, more_headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer what the application does not get, and close the way out. Where it got the head, just close."""
        if self.conn.our_state is not h11.IDLE:
            self.transport.abort()
            return
        body = f"{sentence}\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))),
                   ("x-content-type-options", "nosniff"), ("connection", "close"), *more_headers]  # fmt: skip
        head = h11.Response(status_code=status.value, headers=headers, reason=status.phrase)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self._is_refused = True

    # -- time limits --------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Cut off a peer that the server has waited for too long; called again and again."""
        wait, now = self._wait(), self.loop.time()
        limits = self.limits
        progress: object = None
        seconds = limits.request
        match wait:
            case Wait.HEAD:
                progress = self.cycle and (self.cycle, bool(self.conn.trailing_data[0]))
            case Wait.BODY:
                progress = self._received_bytes // int(MIN_BYTES_PER_SECOND * limits.request)
            case Wait.READING:
                progress, seconds = self.transport.get_write_buffer_size(), limits.unread
            case Wait.CLOSE:
                seconds = limits.refused
        if wait is Wait.APPLICATION or self._progress != (wait, progress):
            self._progress, self._progress_at = (wait, progress), now
        if now - self._progress_at < seconds:
            self._timer = self.loop.call_later(min(limits.request / 5, 1.0), self._watch)
        else:
            self.transport.abort()

    def _wait(self) -> Wait:
        if self._is_refused:
            return Wait.CLOSE
        if self.flow.write_paused or self.transport.is_closing():
            return Wait.READING
        if self.conn.their_state is h11.IDLE:
            return Wait.HEAD
        is_body_expected = not self.flow.read_paused and not self.conn.they_are_waiting_for_100_continue
        return Wait.BODY if self.conn.their_state is h11.SEND_BODY and is_body_expected else Wait.APPLICATION

    @property
    def _has_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete


def _head_of(data: bytes) -> bytes:
    """Return the head at the beginning of some bytes, as far as it has come."""
    ends = [at + 1 for end in (b"\n\r\n", b"\n\n") if (at := data.find(end)) >= 0]
    return bytes(data[: min(ends, default=len(data))])


def _has_two_lengths(head: bytes) -> bool:
    """Return whether a request tells its length in two ways: a proxy in front may have taken the other one, and what is
    a body to the proxy would be a request of its own here."""
    names = head.lower()
    return b"\ntransfer-encoding:" in names and b"\ncontent-length:" in names
