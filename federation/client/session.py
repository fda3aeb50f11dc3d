"""One connection of a client, from the server's challenge to the close."""

import logging
import queue
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from websockets.exceptions import ConnectionClosed

from federation.client.content_assembly import Inbox
from federation.client.identity import Identity
from federation.client.outbox import Pending
from federation.client.websocket import ListeningConnection
from federation.protocol import messages

log = logging.getLogger(__name__)

WORST_CLOCK_SECONDS = 5.0
PASSING = frozenset({messages.Close.TOO_SLOW, messages.Close.STOPPING})
"""Ends of a connection after which the client comes back; after the others it would be refused again."""

ServerFrame = (
    messages.Challenge
    | messages.Welcome
    | messages.Task
    | messages.Grant
    | messages.Ack
    | messages.Cancel
    | messages.Bye
)
About = Callable[[], dict[str, Any]]


class Refused(Exception):
    """The server does not want this client: coming back would not help."""

    def __init__(self, code: messages.Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Session:
    """Hears the frames of a connection, in the thread that reads them, and sends contents in the one that runs it."""

    def __init__(self, connection: ListeningConnection, identity: Identity, about: About, pending: Pending) -> None:
        self.welcome: messages.Welcome | None = None
        self._connection, self._identity, self._about, self._pending = connection, identity, about, pending
        self._inbox = Inbox()
        self._granted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._bye: messages.Bye | None = None
        self._failure: Exception | None = None

    def run(self) -> str:
        """Stay until the connection ends, and return why it did.

        Raises
        ------
        Refused
            When the server says that it does not want this client.
        BadFrame, TimeoutError
            When the other side does not speak as a Meadow server does.
        """
        try:
            self._introduce()
            while (message_id := self._granted.get()) is not None:
                self._upload(message_id)
            if self._failure is not None:
                raise self._failure
            while True:  # nothing is left but the end
                self._connection.recv()
        except ConnectionClosed as closed:
            return self._end(closed)
        finally:
            self._pending.detach()

    def _introduce(self) -> None:
        challenge = _decode(self._connection.recv(timeout=messages.HELLO_SECONDS))
        if isinstance(challenge, messages.Bye):
            self._bye = challenge
            self._connection.recv(timeout=messages.HELLO_SECONDS)  # the close that follows a bye
        if not isinstance(challenge, messages.Challenge):
            raise messages.BadFrame("no challenge")
        _compare_clocks(challenge.time)
        self._connection.listen(self._hear, lambda: self._granted.put(None))
        identity = self._identity
        hello = messages.Hello(
            public_key=identity.public_key,
            signature=identity.sign(challenge.nonce),
            name=identity.name,
            pending=self._pending.ids(),
            **self._about(),
        )
        self._connection.send(messages.encode(hello))

    def _upload(self, message_id: str) -> None:
        """Send a content that was granted, as long as the server wants the reply."""
        reply = self._pending.kept(message_id)
        if reply is None or reply.content is None or reply.offer.content is None:
            return
        for piece in messages.pieces(reply.offer.content.id, reply.content):
            if self._pending.kept(message_id) is None:
                return
            self._connection.send(piece)

    def _hear(self, frame: str | bytes) -> None:
        """Take a frame; what is wrong with it ends the connection."""
        if self._failure is None:
            try:
                self._receive(frame)
            except Exception as error:
                self._failure = error
                self._granted.put(None)

    def _receive(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self._pending.take(self._inbox.piece(frame))
            return
        match _decode(frame):
            case messages.Task() as task if not self._pending.knows(task.message_id):
                self._pending.take(self._inbox.task(task))
            case messages.Grant() as grant:
                self._granted.put(grant.message_id)
            case messages.Ack() as ack:
                self._pending.drop(ack.message_id)
                if ack.refused:
                    log.warning("the server does not count the reply: %s", ack.refused)
            case messages.Cancel() as cancel:
                self._inbox.forget(cancel.message_id)
                self._pending.cancel(cancel.message_id)
            case messages.Welcome() as welcome:
                self._enter(welcome)
            case messages.Bye() as bye:
                self._bye = bye

    def _enter(self, welcome: messages.Welcome) -> None:
        """Welcomed, or admitted after a wait."""
        first, self.welcome = self.welcome is None, welcome
        if first:
            self._pending.attach(self._say, int(welcome.node_id))
        if welcome.state == "pending":
            log.info("connected as client %d; it takes part once it is approved", welcome.client_id)
        else:
            log.info("joined as client %d, %s", welcome.client_id, self._identity.name)

    def _say(self, frame: messages.Offer | messages.ProgressFrame) -> None:
        """Send, from whichever thread. What a closing connection does not take is offered over the next one.

        A small content goes with its offer, where the server said that it may.
        """
        most = self.welcome.limits.get("unasked_bytes", 0) if self.welcome is not None else 0
        reply = self._pending.kept(frame.message_id) if isinstance(frame, messages.Offer) and frame.content else None
        try:
            if reply is None or reply.content is None or not 0 < reply.size_bytes <= most:
                self._connection.send(messages.encode(frame))
                return
            offer = reply.offer.model_copy(update={"follows": True})
            self._connection.send_together(messages.encode(offer), messages.pieces(reply.content_id, reply.content))
        except ConnectionClosed:
            log.debug("%s not sent: the connection is closing", frame.type)

    def _end(self, closed: ConnectionClosed) -> str:
        received = closed.rcvd
        code = self._bye.code if self._bye else received.code if received else 0
        reason = self._bye.reason if self._bye else received.reason if received else ""
        if code in set(messages.Close) - PASSING:
            raise Refused(messages.Close(code), reason or messages.Close(code).name.lower())
        return f"connection lost ({reason})" if reason else "connection lost"


def _decode(frame: str | bytes | None) -> ServerFrame | None:
    """Read a text frame; None for one that a newer server may send and this client does not know."""
    if not isinstance(frame, str):
        return None
    try:
        return messages.decode_server(frame)
    except messages.BadFrame as error:
        log.warning("a frame was passed over: %s", error)
        return None


def _compare_clocks(server_time: str) -> None:
    try:
        offset = (datetime.now(UTC) - datetime.fromisoformat(server_time)).total_seconds()
    except (ValueError, TypeError):
        return
    if abs(offset) > WORST_CLOCK_SECONDS:
        way = "ahead of" if offset > 0 else "behind"
        log.warning("this machine's clock is %.0f s %s the server's", abs(offset), way)
