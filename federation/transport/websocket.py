"""The WebSocket of the stream lane, server side: frames go in and out by the shortest way, the rest is uvicorn's.

uvicorn brings each frame to a task through a queue, and copies the bytes of a content six times on their way in and
three times on their way out. Here whole data frames are heard where they arrive, a content's bytes are put where they
belong as they come, and what goes out is not copied at all. Handshake, pings, closes, frames in fragments and whatever
breaks the protocol are read by uvicorn and websockets, as ever.
"""

import asyncio
import contextlib
import time
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

from federation.protocol.frames import BINARY, TEXT, head_of
from federation.protocol.messages import HEADER_BYTES, BadFrame
from federation.protocol.sockets import keep_short

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets without its compiled part
    from websockets.utils import apply_mask

MAX_UNREAD_BYTES = 16 * 1024 * 1024
"""A peer that asks and never reads the answers is cut off here. Contents wait for room long before."""

Bytes = bytes | memoryview


class Sign:
    """When a peer was last heard of, pongs included: set at every byte. ``piece_at``: when a byte of a content came."""

    __slots__ = ("at", "piece_at")

    def __init__(self) -> None:
        self.at = self.piece_at = time.monotonic()


class Listener(Protocol):
    """Hears the frames of one connection on the loop; may raise BadFrame."""

    def text(self, text: str) -> None:
        """Take a text frame."""

    def room(self, head: bytes, size: int) -> memoryview | None:
        """Return where that many bytes of the content belong which the head names; None for those nobody wants."""

    def filled(self, head: bytes, size: int) -> None:
        """The room is filled."""

    def fail(self, error: BadFrame) -> None:
        """Nothing more is heard after a bad frame."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which hears and writes whole frames itself once somebody listens."""

    _listener: Listener | None = None
    _held = b""
    """The beginning of a frame that is not whole."""
    _left = 0
    """Bytes that are missing of the frame under way: one for uvicorn, or a content's piece."""
    _piece: tuple[bytes, int, bytes, memoryview | None] | None = None
    """Of a piece under way: its head, its size, the mask, and where it belongs."""
    _deaf = False
    _lost = False
    _parting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to note signs."""
        self.sign = Sign()
        super().connection_made(transport)
        keep_short(transport.get_extra_info("socket"))

    def handle_connect(self, event: Any) -> None:
        """Hand the application the way to the socket."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            cast(dict[str, Any], self.scope["extensions"])["meadow.socket"] = self

    # -- out ----------------------------------------------------------------------------------------------------------

    def write(self, *parts: Bytes) -> None:
        """Write the parts of whole frames, one after the other, without a copy; what has to wait, waits in a buffer."""
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
        """Wait for room, for so long at most, and say whether there is some."""
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
        """Wake whoever waits to write."""
        self._lost = True
        if self._parting is not None:
            self._parting.cancel()
        self.writable.set()
        super().connection_lost(exc)

    # -- the end ------------------------------------------------------------------------------------------------------

    def keepalive_timeout(self) -> None:
        """Called when no pong came. Whoever was heard of since is only slow: a pong waits behind what a peer sends.

        What is still in the buffer of one that is gone would hold the closing socket open for ever: it goes, too.
        """
        left = self.sign.at + (self.ping_timeout or 0.0) - time.monotonic()
        if left > 0 and not self.is_over:
            self.pong_timer = self.loop.call_later(left, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def part_within(self, seconds: float) -> None:
        """Give what is left in the buffer of a connection that is over so long to go out."""
        if not self._lost and self._parting is None:
            self._parting = self.loop.call_later(seconds, self.transport.abort)

    # -- in -----------------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Let ``listener`` hear data frames from now on; they come through ``receive`` no more."""
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        """Whatever comes, a pong too, is a sign of life."""
        self.sign.at = time.monotonic()
        if not self.handshake_complete:
            super().data_received(data)
            return
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()
            return
        try:
            self._read(self._held + data if self._held else data)
        except BadFrame as error:
            self._deaf = True
            if self._listener is not None:
                self._listener.fail(error)

    def _read(self, data: bytes) -> None:
        self._held = b""
        at = 0
        while at < len(data) and not self._deaf:
            if self._left:
                at = self._go_on(data, at)
                continue
            start, size, key = head_of(data, at)
            if start == 0:
                self._held = data[at:]
                return
            whole = start + size <= len(data)
            if not self._is_ours(data[at], key, size):
                super().data_received(data[at : start + size])
                at, self._left = min(start + size, len(data)), max(start + size - len(data), 0)
            elif data[at] == TEXT and whole:
                self._hear(apply_mask(data[start : start + size], key))
                at = start + size
            elif data[at] == BINARY and len(data) - start >= min(size, HEADER_BYTES):
                at = self._begin_piece(data, start, size, key)
            else:
                self._held = data[at:]
                return

    def _is_ours(self, first: int, key: bytes, size: int) -> bool:
        """Say whether a frame is heard here: whole, masked, not too big, and somebody listens."""
        small = size <= self.config.ws_max_size and self.conn.state is OPEN
        return first in (TEXT, BINARY) and len(key) == 4 and small and self._listener is not None

    def _hear(self, text: bytes) -> None:
        if self._listener is None:
            return
        try:
            self._listener.text(text.decode())
        except UnicodeDecodeError:
            raise BadFrame("text frame: not UTF-8") from None

    def _begin_piece(self, data: bytes, start: int, size: int, key: bytes) -> int:
        """Read a piece's head, ask where the rest belongs, and return where the rest begins."""
        if size <= HEADER_BYTES:
            raise BadFrame(f"binary frame: {size} bytes, a piece has more than {HEADER_BYTES}")
        end = start + HEADER_BYTES  # a multiple of four: the mask begins anew behind it
        head, self._left = apply_mask(data[start:end], key), size - HEADER_BYTES
        room = self._listener.room(head, self._left) if self._listener is not None else None
        self._piece = (head, self._left, key, room)
        return end

    def _go_on(self, data: bytes, at: int) -> int:
        """Take more of the frame under way and return where it ends, here."""
        end = min(at + self._left, len(data))
        self._left -= end - at
        if self._piece is None:
            super().data_received(data[at:end])
            return end
        self.sign.piece_at = self.sign.at
        head, size, key, room = self._piece
        if room is not None:
            begin = size - self._left - (end - at)
            turned = key[begin % 4 :] + key[: begin % 4]
            room[begin : begin + end - at] = apply_mask(data[at:end], turned)
        if not self._left:
            self._piece = None
            if room is not None and self._listener is not None:
                self._listener.filled(head, size)
        return end
