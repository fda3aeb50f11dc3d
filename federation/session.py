"""One connection of a client, from the server's challenge to the close."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from federation import wire
from federation.identity import Identity
from federation.inbox import Inbox
from federation.pending import Pending

log = logging.getLogger(__name__)

WORST_CLOCK_SECONDS = 5.0
PASSING = frozenset({wire.Close.TOO_SLOW, wire.Close.STOPPING})
"""Ends of a connection after which the client comes back; after the others it would be refused again."""

ServerFrame = wire.Challenge | wire.Welcome | wire.Task | wire.Grant | wire.Ack | wire.Cancel | wire.Bye
About = Callable[[], dict[str, Any]]


class Refused(Exception):
    """The server does not want this client: coming back would not help."""

    def __init__(self, code: wire.Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Session:
    """Reads all frames of a connection, and sends the contents that were granted between two of them."""

    def __init__(self, connection: ClientConnection, identity: Identity, about: About, pending: Pending) -> None:
        self.welcome: wire.Welcome | None = None
        self._connection, self._identity, self._about, self._pending = connection, identity, about, pending
        self._inbox = Inbox()
        self._uploads: deque[tuple[str, Iterator[bytes]]] = deque()
        self._bye: wire.Bye | None = None

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
            while True:
                self._receive(self._next())
        except ConnectionClosed as closed:
            return self._end(closed)
        finally:
            self._pending.detach()

    def _introduce(self) -> None:
        challenge = _decode(self._connection.recv(timeout=wire.HELLO_SECONDS))
        if isinstance(challenge, wire.Bye):
            self._bye = challenge
            self._connection.recv(timeout=wire.HELLO_SECONDS)  # the close that follows a bye
        if not isinstance(challenge, wire.Challenge):
            raise wire.BadFrame("no challenge")
        _compare_clocks(challenge.time)
        identity = self._identity
        hello = wire.Hello(
            public_key=identity.public_key,
            signature=identity.sign(challenge.nonce),
            name=identity.name,
            pending=self._pending.ids(),
            **self._about(),
        )
        self._connection.send(wire.encode(hello))

    def _next(self) -> str | bytes | None:
        """Return the next frame. While contents go out, look for one between two pieces: None when there was none."""
        if not self._uploads:
            return self._connection.recv()
        message_id, pieces = self._uploads[0]
        piece = next(pieces, None) if self._pending.kept(message_id) is not None else None
        if piece is None:
            self._uploads.popleft()
            return None
        self._connection.send(piece)
        try:
            return self._connection.recv(timeout=0)
        except TimeoutError:
            return None

    def _receive(self, frame: str | bytes | None) -> None:
        if isinstance(frame, bytes):
            self._pending.take(self._inbox.piece(frame))
            return
        match _decode(frame):
            case wire.Task() as task if not self._pending.knows(task.message_id):
                self._pending.take(self._inbox.task(task))
            case wire.Grant() as grant:
                self._grant(grant.message_id)
            case wire.Ack() as ack:
                self._pending.drop(ack.message_id)
                if ack.refused:
                    log.warning("the server does not count the reply: %s", ack.refused)
            case wire.Cancel() as cancel:
                self._inbox.forget(cancel.message_id)
                self._pending.cancel(cancel.message_id)
            case wire.Welcome() as welcome:
                self._enter(welcome)
            case wire.Bye() as bye:
                self._bye = bye

    def _grant(self, message_id: str) -> None:
        reply = self._pending.kept(message_id)
        if reply is not None and reply.content is not None and reply.offer.content is not None:
            self._uploads.append((message_id, wire.pieces(reply.offer.content.id, reply.content)))

    def _enter(self, welcome: wire.Welcome) -> None:
        """Welcomed, or admitted after a wait."""
        if self.welcome is None:
            self._pending.attach(self._say, int(welcome.node_id))
        self.welcome = welcome
        if welcome.state == "pending":
            log.info("connected as client %d; it takes part once it is approved", welcome.client_id)
        else:
            log.info("joined as client %d, %s", welcome.client_id, self._identity.name)

    def _say(self, frame: wire.Offer | wire.ProgressFrame) -> None:
        """Send, from whichever thread. What a closing connection does not take is offered over the next one."""
        try:
            self._connection.send(wire.encode(frame))
        except ConnectionClosed:
            log.debug("%s not sent: the connection is closing", frame.type)

    def _end(self, closed: ConnectionClosed) -> str:
        received = closed.rcvd
        code = self._bye.code if self._bye else received.code if received else 0
        reason = self._bye.reason if self._bye else received.reason if received else ""
        if code in set(wire.Close) - PASSING:
            raise Refused(wire.Close(code), reason or wire.Close(code).name.lower())
        return f"connection lost ({reason})" if reason else "connection lost"


def _decode(frame: str | bytes | None) -> ServerFrame | None:
    """Read a text frame; None for one that a newer server may send and this client does not know."""
    if not isinstance(frame, str):
        return None
    try:
        return wire.decode_server(frame)
    except wire.BadFrame as error:
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
