"""A client's WebSocket that is heard where its bytes arrive, in the thread that reads them."""

from collections.abc import Callable, Iterable
from typing import Self

from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.sync.client import ClientConnection

from federation.protocol.sockets import limit_unsent_bytes

Hear = Callable[[str | bytes], None]


class ListeningConnection(ClientConnection):
    """websockets' own, without the queue and the thread between a frame and whoever waits for it.

    Until ``listen`` is called frames come by ``recv``. ``hear`` is called by the thread that reads: it may send, but
    what takes long belongs elsewhere, for pings are answered there, too. ``ended`` is called there at the end.
    """

    recv_bufsize = 256 * 1024
    _hear: Hear | None = None
    _ended: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        """Give this very connection."""
        super().__enter__()
        return self

    def listen(self, hear: Hear, ended: Callable[[], None]) -> None:
        """Hand every frame that is yet to come to ``hear``."""
        self._hear, self._ended = hear, ended
        limit_unsent_bytes(self.socket)

    def process_event(self, event: Event) -> None:
        """Take what has arrived; frames in fragments go the long way and come out of ``recv``."""
        if self._hear is None or not isinstance(event, Frame) or not event.fin:
            super().process_event(event)
        elif event.opcode is Opcode.TEXT:
            self._hear(bytes(event.data).decode(errors="replace"))
        elif event.opcode is Opcode.BINARY:
            self._hear(bytes(event.data))
        else:
            super().process_event(event)

    def recv_events(self) -> None:
        """Read until the end, and say so."""
        try:
            super().recv_events()
        finally:
            if self._ended is not None:
                self._ended()

    def send_together(self, text: str, pieces: Iterable[bytes]) -> None:
        """Send a text frame and binary ones behind it in one go."""
        with self.send_context():
            self.protocol.send_text(text.encode())
            for piece in pieces:
                self.protocol.send_binary(piece)
            self.protocol.writes[:] = [b"".join(self.protocol.writes)]
