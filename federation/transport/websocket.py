"""The WebSocket of the stream lane, server side: frames go in and out by the shortest way, the rest is uvicorn's.

uvicorn brings each frame to a task through a queue, and copies the bytes of a content six times on their way in and
three times on their way out. Here a listener gets whole data frames where they arrive, a content's bytes are written to
their memory as they come, and what goes out is not copied at all. The handshake, pings, closes, frames in fragments and
frames that break the protocol are left to uvicorn and websockets.

Everything here runs on the Flower server's event loop; other threads may read ``last_heard_at`` and ``last_piece_at``.
``tests/federation/server/test_uvicorn.py`` names what is relied on of uvicorn and websockets.
"""

import asyncio
import contextlib
import time
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN

from federation.protocol.connection_limit import Leave
from federation.protocol.frames import BINARY, MAX_CONTROL, PING, PONG, TEXT, WHOLE_PING, frame_head, head_of
from federation.protocol.messages import HEADER_BYTES, BadFrame
from federation.protocol.sockets import limit_unsent_bytes
from federation.protocol.tls.certificates import shown_certificate

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets without its compiled part
    from websockets.utils import apply_mask

MAX_UNREAD_BYTES, MAX_UNREAD_BYTES_OF_STRANGERS = 8 * 1024 * 1024, 64 * 1024
"""A peer that sends frames and never reads the answers is cut off here. Contents wait for room long before. A stranger
is a peer without a listener: its hello is not verified."""

Bytes = bytes | memoryview


class Listener(Protocol):
    """Gets the frames of one connection, on the loop. Each method but ``on_bad_frame`` may raise BadFrame."""

    def on_text(self, text: str) -> None:
        """A text frame has arrived."""

    def buffer_for(self, head: bytes, size: int) -> memoryview | None:
        """Return the memory for a piece of ``size`` bytes, which its head names; None for one that is not wanted."""

    def on_piece(self, head: bytes, size: int) -> None:
        """The memory that ``buffer_for`` returned is filled."""

    def on_bad_frame(self, error: BadFrame) -> None:
        """A frame broke the protocol; no further one is passed on."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which reads and writes whole frames itself once there is a listener.

    ``last_heard_at`` is when the last byte came, a pong's too; ``last_piece_at`` when the last byte of a content came.
    Both are on the monotonic clock.
    """

    leave: Leave | None = None
    """Called when the socket is closed: the port counts its connections."""
    _listener: Listener | None = None
    _unparsed = b""
    """The beginning of a frame that has not arrived whole."""
    _frame_bytes_left = 0
    """Bytes that are missing of the frame under way: one that uvicorn reads, or a content's piece."""
    _piece: tuple[bytes, int, bytes, memoryview | None] | None = None
    """Of a piece under way: its head, its size, the mask, and its memory."""
    _has_failed = False
    _is_lost = False
    _abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the socket has become a WebSocket."""
        self.last_heard_at = self.last_piece_at = time.monotonic()
        super().connection_made(transport)
        limit_unsent_bytes(transport.get_extra_info("socket"))

    def handle_connect(self, event: Request) -> None:
        """Hand this object to the application, which writes to the socket through it."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions["meadow.socket"], extensions["meadow.certificate"] = self, shown_certificate(self.transport)

    # -- out ----------------------------------------------------------------------------------------------------------

    def write(self, *parts: Bytes) -> None:
        """Write the parts of whole frames in order, without a copy; the transport buffers what has to wait."""
        if not self.is_over:
            self.transport.writelines(parts)

    @property
    def is_over(self) -> bool:
        """Whether nothing goes out any more."""
        return self.close_sent or self.transport.is_closing()

    async def drain(self) -> None:
        """Return when the buffer has room."""
        await self.writable.wait()

    async def drains_within(self, seconds: float) -> bool:
        """Wait for room in the buffer, for so long at most; return whether there is some."""
        if not self.writable.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.writable.wait()
        return self.writable.is_set()

    def pause_writing(self) -> None:
        """Called by the transport when its buffer is full. uvicorn's own never clears ``writable``: contents for
        fifty slow clients would lie in memory fifty times."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Called by the transport when its buffer has drained."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the socket is closed; resumes the tasks that wait to write."""
        self._is_lost = True
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self.writable.set()
        if self.leave is not None:
            self.leave()
        super().connection_lost(exc)

    # -- the end ------------------------------------------------------------------------------------------------------

    def send_keepalive_ping(self) -> None:
        """Called when a ping is due: send it, or end the connection of a peer of which no byte came for too long.

        A peer that sent anything is only slow: a pong waits behind what it sends. uvicorn's own needs two timers and a
        parser for each ping, which takes a tenth of a core for a thousand idle clients.
        """
        interval = self.ping_interval or 0.0
        left = self.last_heard_at + interval + (self.ping_timeout or 0.0) - time.monotonic()
        if left > 0:
            self.write(WHOLE_PING)
            self.ping_timer = self.loop.call_later(min(interval, left), self.send_keepalive_ping)
            return
        self.keepalive_timeout()
        if self.transport.get_write_buffer_size():  # it would keep the closing socket open for ever
            self.transport.abort()

    def abort_within(self, seconds: float) -> None:
        """The connection is over: give what is left in the buffer so long to go out."""
        if not self._is_lost and self._abort_timer is None:
            self._abort_timer = self.loop.call_later(seconds, self.transport.abort)

    # -- in -----------------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Pass data frames to ``listener`` from now on; ``receive`` returns them no more."""
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        """Called with whatever the socket received."""
        self.last_heard_at = time.monotonic()
        if not self.handshake_complete:
            super().data_received(data)
            return
        most = MAX_UNREAD_BYTES if self._listener is not None else MAX_UNREAD_BYTES_OF_STRANGERS
        if self.transport.get_write_buffer_size() > most:
            self.transport.abort()
            return
        try:
            self._read(self._unparsed + data if self._unparsed else data)
        except BadFrame as error:
            self._has_failed = True
            if self._listener is not None:
                self._listener.on_bad_frame(error)

    def _read(self, data: bytes) -> None:
        self._unparsed = b""
        at = 0
        while at < len(data) and not self._has_failed:
            if self._frame_bytes_left:
                at = self._continue_frame(data, at)
                continue
            start, size, key = head_of(data, at)
            if start == 0:
                self._unparsed = data[at:]
                return
            is_whole = start + size <= len(data)
            if not self._is_ours(data[at], key, size):
                super().data_received(data[at : start + size])
                at, self._frame_bytes_left = min(start + size, len(data)), max(start + size - len(data), 0)
            elif data[at] in (PING, PONG) and is_whole:
                if data[at] == PING:
                    self.write(frame_head(PONG, size), apply_mask(data[start : start + size], key))
                at = start + size
            elif data[at] == TEXT and is_whole:
                self._pass_text(apply_mask(data[start : start + size], key))
                at = start + size
            elif data[at] == BINARY and len(data) - start >= min(size, HEADER_BYTES):
                at = self._begin_piece(data, start, size, key)
            else:
                self._unparsed = data[at:]
                return

    def _is_ours(self, first: int, key: bytes, size: int) -> bool:
        """Return whether a frame is read here: whole, masked, not too big, and there is a listener."""
        if self._listener is None or len(key) != 4 or self.conn.state is not OPEN:
            return False
        if first in (PING, PONG):
            return size <= MAX_CONTROL
        return first in (TEXT, BINARY) and size <= self.config.ws_max_size

    def _pass_text(self, text: bytes) -> None:
        if self._listener is None:
            return
        try:
            self._listener.on_text(text.decode())
        except UnicodeDecodeError:
            raise BadFrame("text frame: not UTF-8") from None

    def _begin_piece(self, data: bytes, start: int, size: int, key: bytes) -> int:
        """Read a piece's head, ask for the memory of the rest, and return where the rest begins."""
        if size <= HEADER_BYTES:
            raise BadFrame(f"binary frame: {size:,} bytes, a piece has more than {HEADER_BYTES:,}")
        end = start + HEADER_BYTES  # a multiple of four: the mask begins anew behind it
        head, self._frame_bytes_left = apply_mask(data[start:end], key), size - HEADER_BYTES
        buffer = self._listener.buffer_for(head, self._frame_bytes_left) if self._listener is not None else None
        self._piece = (head, self._frame_bytes_left, key, buffer)
        return end

    def _continue_frame(self, data: bytes, at: int) -> int:
        """Read more of the frame under way, and return where in ``data`` it ends."""
        end = min(at + self._frame_bytes_left, len(data))
        self._frame_bytes_left -= end - at
        if self._piece is None:
            super().data_received(data[at:end])
            return end
        self.last_piece_at = self.last_heard_at
        head, size, key, buffer = self._piece
        if buffer is not None:
            begin = size - self._frame_bytes_left - (end - at)
            turned = key[begin % 4 :] + key[: begin % 4]
            buffer[begin : begin + end - at] = apply_mask(data[at:end], turned)
        if not self._frame_bytes_left:
            self._piece = None
            if buffer is not None and self._listener is not None:
                self._listener.on_piece(head, size)
        return end
