"""One connection of a client over a WebSocket of its own, from the server's challenge to the close."""

import logging
import queue
from collections.abc import Iterable

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from federation.client.description import ClientDescription
from federation.client.frame_handler import FrameHandler
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.websocket import ClientWebSocket
from federation.protocol import messages

log = logging.getLogger(__name__)


class Session:
    """Handles a connection's frames in the thread that reads them, and sends contents in the thread of ``run``."""

    def __init__(
        self, websocket: ClientWebSocket, identity: Identity, description: ClientDescription, outbox: Outbox
    ) -> None:
        self._websocket, self._name, self._outbox = websocket, identity.name, outbox
        self._granted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._handler = FrameHandler(
            identity, description, outbox, send=self._send, on_grant=self._granted.put, on_welcome=self._log_welcome
        )

    @property
    def welcome(self) -> messages.Welcome | None:
        """The server's last welcome; None before the first."""
        return self._handler.welcome

    def run(self) -> str:
        """Stay until the connection ends, and return why it did.

        Raises
        ------
        Refused
            When the server refuses this client.
        BadFrame, TimeoutError
            When the other side does not behave as a Meadow server does.
        """
        try:
            self._handshake()
            while (message_id := self._granted.get()) is not None:
                for piece in self._handler.granted_pieces(message_id):
                    self._websocket.send(piece)
            if self._failure is not None:
                raise self._failure
            while True:  # read frames in fragments, until the end
                self._websocket.recv()
        except ConnectionClosed as closed:
            received, sent = closed.rcvd, closed.sent
            if received is None and sent is not None and sent.code == CloseCode.INTERNAL_ERROR:
                return self._handler.end_reason(0, "the server stopped responding")  # a ping was not answered in time
            return self._handler.end_reason(received.code if received else 0, received.reason if received else "")
        finally:
            self._outbox.detach()

    def _handshake(self) -> None:
        first = self._websocket.recv(timeout=messages.HELLO_SECONDS)
        hello = self._handler.answer_challenge(first, self._websocket.certificate)
        if hello is None:
            self._websocket.recv(timeout=messages.HELLO_SECONDS)  # the close that follows a bye
            raise messages.BadFrame("a frame behind a bye")
        self._websocket.listen(self._on_frame, lambda: self._granted.put(None))
        self._websocket.send(messages.encode(hello))

    def _on_frame(self, frame: str | bytes) -> None:
        """Handle a frame; an error ends the connection."""
        if self._failure is None:
            try:
                self._handler.handle(frame)
            except Exception as error:
                self._failure = error
                self._granted.put(None)

    def _log_welcome(self, welcome: messages.Welcome) -> None:
        if welcome.state == "pending":
            log.info("joined as client %d: pending approval on the Clients page", welcome.client_id)
        else:
            log.info("joined as client %d, %s", welcome.client_id, self._name)

    def _send(self, frame: messages.Offer | messages.ProgressFrame, pieces: Iterable[bytes]) -> None:
        """Send frames, from any thread. An offer that a closing connection does not take goes over the next one."""
        try:
            self._websocket.send_together(messages.encode(frame), pieces)
        except ConnectionClosed:
            log.debug("%s not sent: the connection is closing", frame.type)
