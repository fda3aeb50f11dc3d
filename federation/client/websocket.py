"""A client's WebSocket: frames are passed on where their bytes arrive, and frames that belong together are one write.

``tests/federation/server/test_uvicorn.py`` names what is relied on of websockets.
"""

import hashlib
import ssl
from collections.abc import Callable, Iterable

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

OnFrame = Callable[[str | bytes], None]


class ClientWebSocket(ClientConnection):
    """websockets' connection without the queue and the wake-up of a task between a frame and the code that acts on it.

    Until ``listen`` is called, frames come by ``recv``.
    """

    _on_frame: OnFrame | None = None

    @property
    def certificate(self) -> str | None:
        """The SHA-256 (hex) of the certificate that the server has shown; None without TLS."""
        secure: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest() if secure is not None else None

    def listen(self, on_frame: OnFrame) -> None:
        """Pass every frame that is yet to come to ``on_frame``, which raises nothing and does not take long."""
        self._on_frame = on_frame

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

    def write(self, frames: Iterable[str | bytes]) -> None:
        """Write small frames at once, in one go; nothing where the connection is closing."""
        if self.protocol.state is not State.OPEN:
            return
        for frame in frames:
            if isinstance(frame, str):
                self.protocol.send_text(frame.encode())
            else:
                self.protocol.send_binary(frame)
        self.protocol.writes[:] = [b"".join(self.protocol.writes)]
        self.send_data()
