"""A client's WebSocket: frames are passed on where their bytes arrive, in the thread that reads them.

``tests/federation/server/test_uvicorn.py`` names what is relied on of websockets.
"""

import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Self

from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.sync.client import ClientConnection

from federation.protocol.sockets import limit_unsent_bytes

OnFrame = Callable[[str | bytes], None]


class ClientWebSocket(ClientConnection):
    """websockets' connection without the queue and the thread switch between a frame and the code that acts on it.

    Until ``listen`` is called frames come by ``recv``. ``on_frame`` is called by the thread that reads: it may send,
    but must not take long, for the same thread answers pings. ``on_end`` is called there at the end.
    """

    recv_bufsize = 256 * 1024
    _on_frame: OnFrame | None = None
    _on_end: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        """Return this very connection."""
        super().__enter__()
        return self

    @property
    def certificate(self) -> str | None:
        """The SHA-256 (hex) of the certificate that the server has shown; None without TLS."""
        if not isinstance(self.socket, ssl.SSLSocket):
            return None
        return hashlib.sha256(self.socket.getpeercert(binary_form=True) or b"").hexdigest()

    def close_socket(self) -> None:
        """Close the socket; a thread that waits in it for the rest of a TLS record is woken first."""
        if isinstance(self.socket, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        super().close_socket()

    def listen(self, on_frame: OnFrame, on_end: Callable[[], None]) -> None:
        """Pass every frame that is yet to come to ``on_frame``."""
        self._on_frame, self._on_end = on_frame, on_end
        limit_unsent_bytes(self.socket)

    def process_event(self, event: Event) -> None:
        """Called with each frame that has arrived; one in fragments goes through websockets and comes by ``recv``."""
        if self._on_frame is None or not isinstance(event, Frame) or not event.fin:
            super().process_event(event)
        elif event.opcode is Opcode.TEXT:
            self._on_frame(bytes(event.data).decode(errors="replace"))
        elif event.opcode is Opcode.BINARY:
            self._on_frame(bytes(event.data))
        else:
            super().process_event(event)

    def recv_events(self) -> None:
        """Read until the end, in the thread that websockets starts for it."""
        try:
            super().recv_events()
        finally:
            if self._on_end is not None:
                self._on_end()

    def send_together(self, text: str, pieces: Iterable[bytes]) -> None:
        """Send a text frame and the binary frames behind it in one write. From any thread."""
        with self.send_context():
            self.protocol.send_text(text.encode())
            for piece in pieces:
                self.protocol.send_binary(piece)
            self.protocol.writes[:] = [b"".join(self.protocol.writes)]
