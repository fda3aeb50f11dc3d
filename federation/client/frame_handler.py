"""What a client does with the server's frames, whatever carries them: it owns no socket and no thread."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from federation.client.content_assembly import ContentAssembly, Contents
from federation.client.description import ClientDescription
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.protocol import messages

log = logging.getLogger(__name__)

MAX_CLOCK_OFFSET_SECONDS = 5.0
"""A larger difference between the client's clock and the server's is logged."""

TEMPORARY = frozenset({messages.Close.TOO_SLOW, messages.Close.FULL, messages.Close.STOPPING})
"""Close codes after which the client connects again; after the others it would be refused again."""

TASK = re.compile(r'\{"type":"task","message_id":"([\w.-]{1,100})",')
"""How the server begins the text of a task."""

SendFrames = Callable[[messages.Offer | messages.ProgressFrame, Iterable[bytes]], None]
"""Sends a text frame and the binary frames that belong behind it; called in any thread."""


class Refused(Exception):
    """The server refuses this client: connecting again would not help."""

    def __init__(self, code: messages.Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class FrameHandler:
    """Handles the frames of one connection, in the thread that reads them.

    Parameters
    ----------
    send : SendFrames
        Sends what the client has to say once it is welcomed.
    on_grant : Callable[[str], None]
        Called with the message id of a reply whose content the server asks for; ``granted_pieces`` gives the content.
    on_welcome : Callable[[messages.Welcome], None]
        Called when the hello was good, and when a pending client was admitted.
    contents : Contents
        What other connections of the process have received.
    """

    def __init__(
        self, identity: Identity, description: ClientDescription, outbox: Outbox, *,
        send: SendFrames, on_grant: Callable[[str], None], on_welcome: Callable[[messages.Welcome], None],
        contents: Contents | None = None,
    ) -> None:  # fmt: skip
        self.welcome: messages.Welcome | None = None
        self.bye: messages.Bye | None = None
        self._identity, self._description, self._outbox = identity, description, outbox
        self._send_frames, self._on_grant, self._on_welcome = send, on_grant, on_welcome
        self._contents = ContentAssembly(contents or Contents())

    def answer_challenge(self, frame: str | bytes, certificate: str | None) -> messages.Hello | None:
        """Return the hello that answers the first frame; None where that is a bye. Raises BadFrame.

        ``certificate`` is the SHA-256 (hex) of the server's certificate as it came over TLS; None without TLS.
        """
        challenge = _decode(frame)
        if isinstance(challenge, messages.Bye):
            self.bye = challenge
            return None
        if not isinstance(challenge, messages.Challenge):
            raise messages.BadFrame("no challenge")
        _compare_clocks(challenge.time)
        return messages.Hello(
            public_key=self._identity.public_key, signature=self._identity.sign(challenge.nonce, certificate),
            name=self._identity.name, code=self._description.code, pending=self._outbox.held_ids(),
            versions=self._description.versions, facts=self._description.facts, data=self._description.data,
            kind=self._description.kind,
        )  # fmt: skip

    def handle(self, frame: str | bytes) -> None:
        """Act on a frame behind the challenge; raises BadFrame."""
        if isinstance(frame, bytes):
            self._outbox.add_tasks(self._contents.add_piece(frame))
            return
        match _decode(frame):
            case messages.Task() as task if not self._outbox.holds(task.message_id):
                self._outbox.add_tasks(self._contents.add_task(task))
            case messages.Grant() as grant:
                self._on_grant(grant.message_id)
            case messages.Ack() as ack:
                self._outbox.acknowledge(ack.message_id)
                if ack.refused:
                    log.warning("%s: the server rejected the reply: %s", self._identity.name, ack.refused)
            case messages.Cancel() as cancel:
                self._contents.discard_task(cancel.message_id)
                self._outbox.cancel(cancel.message_id)
            case messages.Welcome() as welcome:
                self._welcomed(welcome)
            case messages.Bye() as bye:
                self.bye = bye

    def granted_pieces(self, message_id: str) -> Iterator[bytes]:
        """Yield the content of a reply, as long as the server wants it."""
        reply = self._outbox.reply(message_id)
        if reply is None or reply.content is None or reply.offer.content is None:
            return
        for piece in messages.pieces(reply.offer.content.id, reply.content):
            if self._outbox.reply(message_id) is None:
                return
            yield piece

    def end_reason(self, code: int, reason: str) -> str:
        """Return why a connection ended, from the code and reason of its close; raises Refused."""
        if self.bye is not None:
            code, reason = self.bye.code, self.bye.reason
        if code in set(messages.Close) - TEMPORARY:
            raise Refused(messages.Close(code), reason or messages.Close(code).name.lower())
        return f"connection lost ({reason})" if reason else "connection lost"

    def _welcomed(self, welcome: messages.Welcome) -> None:
        first, self.welcome = self.welcome is None, welcome
        if first:
            self._outbox.attach(self._send)
        self._outbox.node_id = int(welcome.node_id)  # a pending client has none before it is admitted
        self._on_welcome(welcome)

    def _send(self, frame: messages.Offer | messages.ProgressFrame) -> None:
        """Send a frame. A small content goes with its offer, where the server said that it may."""
        most = self.welcome.limits.get("unasked_bytes", 0) if self.welcome is not None else 0
        header = frame.content if isinstance(frame, messages.Offer) else None
        reply = self._outbox.reply(frame.message_id) if header is not None and 0 < header.size_bytes <= most else None
        if header is None or reply is None or reply.content is None:
            self._send_frames(frame, ())
        else:
            offer = reply.offer.model_copy(update={"follows": True})
            self._send_frames(offer, messages.pieces(header.id, reply.content))


def _decode(frame: str | bytes) -> messages.ServerFrame | None:
    """Read a text frame; None for one that a newer server may send and this client does not know."""
    if not isinstance(frame, str):
        return None
    try:
        return decode(frame)
    except messages.BadFrame as error:
        log.warning("ignored a frame: %s", error)
        return None


def decode(text: str) -> messages.ServerFrame:
    """Read a text frame as ``decode_server`` does. Tasks of the clients of a process share config and content header.

    Any thread may call it. Raises BadFrame.
    """
    if (begin := TASK.match(text)) is not None:
        task = _decode_once(f'{{"type":"task","message_id":"",{text[begin.end() :]}')
        if isinstance(task, messages.Task) and not task.message_id:  # else the rest names type or id once more
            return task.model_copy(update={"message_id": begin[1]})
    return messages.decode_server(text)


@lru_cache(maxsize=2)
def _decode_once(text: str) -> messages.ServerFrame:
    """Read a frame that many clients of a process get in a row: a task but for its message id."""
    return messages.decode_server(text)


def _compare_clocks(server_time: str) -> None:
    try:
        offset = (datetime.now(UTC) - datetime.fromisoformat(server_time)).total_seconds()
    except (ValueError, TypeError):
        return
    if abs(offset) > MAX_CLOCK_OFFSET_SECONDS:
        way = "ahead of" if offset > 0 else "behind"
        log.warning("this machine's clock is %.0f s %s the server's", abs(offset), way)
