"""The protocol over one connection of a client, from the server's challenge to the close."""

import logging
import queue
from datetime import UTC, datetime

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from federation.client.content_assembly import ContentAssembly
from federation.client.description import ClientDescription
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.websocket import ClientWebSocket
from federation.protocol import messages

log = logging.getLogger(__name__)

MAX_CLOCK_OFFSET_SECONDS = 5.0
"""A larger difference between the client's clock and the server's is logged."""

TEMPORARY = frozenset({messages.Close.TOO_SLOW, messages.Close.FULL, messages.Close.STOPPING})
"""Close codes after which the client connects again; after the others it would be refused again."""


class Refused(Exception):
    """The server refuses this client: connecting again would not help."""

    def __init__(self, code: messages.Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Session:
    """Handles a connection's frames in the thread that reads them, and sends contents in the thread of ``run``."""

    def __init__(
        self, websocket: ClientWebSocket, identity: Identity, description: ClientDescription, outbox: Outbox
    ) -> None:
        self.welcome: messages.Welcome | None = None
        self._websocket, self._identity, self._description, self._outbox = websocket, identity, description, outbox
        self._contents = ContentAssembly()
        self._granted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._bye: messages.Bye | None = None
        self._failure: Exception | None = None

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
                self._send_content(message_id)
            if self._failure is not None:
                raise self._failure
            while True:  # read frames in fragments, until the end
                self._websocket.recv()
        except ConnectionClosed as closed:
            return self._end_reason(closed)
        finally:
            self._outbox.detach()

    def _handshake(self) -> None:
        challenge = _decode(self._websocket.recv(timeout=messages.HELLO_SECONDS))
        if isinstance(challenge, messages.Bye):
            self._bye = challenge
            self._websocket.recv(timeout=messages.HELLO_SECONDS)  # the close that follows a bye
        if not isinstance(challenge, messages.Challenge):
            raise messages.BadFrame("no challenge")
        _compare_clocks(challenge.time)
        self._websocket.listen(self._on_frame, lambda: self._granted.put(None))
        hello = messages.Hello(
            public_key=self._identity.public_key, signature=self._identity.sign(challenge.nonce),
            name=self._identity.name, pending=self._outbox.held_ids(), versions=self._description.versions,
            facts=self._description.facts, data=self._description.data,
        )  # fmt: skip
        self._websocket.send(messages.encode(hello))

    def _send_content(self, message_id: str) -> None:
        """Send a content that was granted, as long as the server wants the reply."""
        reply = self._outbox.reply(message_id)
        if reply is None or reply.content is None or reply.offer.content is None:
            return
        for piece in messages.pieces(reply.offer.content.id, reply.content):
            if self._outbox.reply(message_id) is None:
                return
            self._websocket.send(piece)

    def _on_frame(self, frame: str | bytes) -> None:
        """Handle a frame; an error ends the connection."""
        if self._failure is None:
            try:
                self._handle_frame(frame)
            except Exception as error:
                self._failure = error
                self._granted.put(None)

    def _handle_frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._outbox.add_tasks(self._contents.add_piece(frame))
            return
        match _decode(frame):
            case messages.Task() as task if not self._outbox.holds(task.message_id):
                self._outbox.add_tasks(self._contents.add_task(task))
            case messages.Grant() as grant:
                self._granted.put(grant.message_id)
            case messages.Ack() as ack:
                self._outbox.acknowledge(ack.message_id)
                if ack.refused:
                    log.warning("the server rejected the reply: %s", ack.refused)
            case messages.Cancel() as cancel:
                self._contents.discard_task(cancel.message_id)
                self._outbox.cancel(cancel.message_id)
            case messages.Welcome() as welcome:
                self._on_welcome(welcome)
            case messages.Bye() as bye:
                self._bye = bye

    def _on_welcome(self, welcome: messages.Welcome) -> None:
        """The hello was good, or a pending client was admitted."""
        first, self.welcome = self.welcome is None, welcome
        if first:
            self._outbox.attach(self._send)
        self._outbox.node_id = int(welcome.node_id)  # a pending client has none before it is admitted
        if welcome.state == "pending":
            log.info("joined as client %d: pending approval on the Clients page", welcome.client_id)
        else:
            log.info("joined as client %d, %s", welcome.client_id, self._identity.name)

    def _send(self, frame: messages.Offer | messages.ProgressFrame) -> None:
        """Send a frame, from any thread. An offer that a closing connection does not take goes over the next one.

        A small content goes with its offer, where the server said that it may.
        """
        most = self.welcome.limits.get("unasked_bytes", 0) if self.welcome is not None else 0
        reply = self._outbox.reply(frame.message_id) if isinstance(frame, messages.Offer) and frame.content else None
        try:
            if reply is None or reply.content is None or not 0 < reply.size_bytes <= most:
                self._websocket.send(messages.encode(frame))
                return
            offer = reply.offer.model_copy(update={"follows": True})
            self._websocket.send_together(messages.encode(offer), messages.pieces(reply.content_id, reply.content))
        except ConnectionClosed:
            log.debug("%s not sent: the connection is closing", frame.type)

    def _end_reason(self, closed: ConnectionClosed) -> str:
        received = closed.rcvd
        code = self._bye.code if self._bye else received.code if received else 0
        reason = self._bye.reason if self._bye else received.reason if received else ""
        if code in set(messages.Close) - TEMPORARY:
            raise Refused(messages.Close(code), reason or messages.Close(code).name.lower())
        if received is None and closed.sent is not None and closed.sent.code == CloseCode.INTERNAL_ERROR:
            reason = "the server stopped responding"  # websockets closes so when a ping is not answered in time
        return f"connection lost ({reason})" if reason else "connection lost"


def _decode(frame: str | bytes | None) -> messages.ServerFrame | None:
    """Read a text frame; None for one that a newer server may send and this client does not know."""
    if not isinstance(frame, str):
        return None
    try:
        return messages.decode_server(frame)
    except messages.BadFrame as error:
        log.warning("ignored a frame: %s", error)
        return None


def _compare_clocks(server_time: str) -> None:
    try:
        offset = (datetime.now(UTC) - datetime.fromisoformat(server_time)).total_seconds()
    except (ValueError, TypeError):
        return
    if abs(offset) > MAX_CLOCK_OFFSET_SECONDS:
        way = "ahead of" if offset > 0 else "behind"
        log.warning("this machine's clock is %.0f s %s the server's", abs(offset), way)
