"""How a connection begins: challenge, hello, signature, admission; and why it may end there."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from federation.protocol import messages
from federation.protocol.tls.fingerprints import signed_message
from federation.protocol.tls.proxies import ProxyCertificates
from federation.run.events import StoreUnavailable
from federation.transport.admission import Admission, AdmissionRefused, Admit, Registry
from federation.transport.connection import Connection

log = logging.getLogger(__name__)

CANNOT_CHECK = "the server cannot check admissions now"


@dataclass(frozen=True, slots=True)
class Joined:
    """A client whose hello is verified; the public key in it has its one spelling."""

    hello: messages.Hello
    admission: Admission
    node_id: int
    """Flower's id of the client; 0 before it is admitted, so that strangers leave no node behind."""


class Handshake:
    """Asks each new connection for its hello, and the application whether the client may join."""

    def __init__(
        self, admit: Admit, registry: Registry, hello_seconds: float, proxies: ProxyCertificates | None = None
    ) -> None:
        self._admit, self._registry, self._hello_seconds, self._proxies = admit, registry, hello_seconds, proxies
        self._running = 0
        self._decisions: Counter[int] = Counter()

    def note_decision(self, client_id: int) -> None:
        """A person has admitted or revoked a client that is not connected, but may be about to be; on the loop."""
        if self._running:
            self._decisions[client_id] += 1

    async def run(self, connection: Connection, offered: Sequence[str]) -> Joined:
        """Return the client behind a connection that offers those sub-protocols, as people have decided by now.

        On the loop.

        Raises
        ------
        BadFrame
            Where the client is refused: the close code and the reason.
        WebSocketDisconnect
            When the client goes meanwhile.
        """
        self._running, known = self._running + 1, 0
        try:
            joined = await self._greet(connection, offered)
            while (decisions := self._decisions[joined.admission.client_id]) > known:
                hello, known = joined.hello, decisions
                joined = await asyncio.to_thread(self._ask, hello, hello.public_key, connection.address)
            return joined
        finally:
            self._running -= 1
            if not self._running:
                self._decisions.clear()

    async def _greet(self, connection: Connection, offered: Sequence[str]) -> Joined:
        if messages.SUBPROTOCOL not in offered:
            protocols = ", ".join(offered)[:80] or "no sub-protocol"
            raise messages.BadFrame(
                f"client speaks {protocols}, this server speaks {messages.SUBPROTOCOL}", messages.Close.VERSION
            )
        nonce, versions = secrets.token_hex(32), {"protocols": [messages.PROTOCOL]}
        connection.send(messages.Challenge(nonce=nonce, time=datetime.now(UTC).isoformat(), versions=versions))
        hello = await self._receive_hello(connection)
        connection.name = hello.name
        return await asyncio.to_thread(self._verify, hello, nonce, connection.certificate, connection.address)

    async def _receive_hello(self, connection: Connection) -> messages.Hello:
        try:
            frame = await asyncio.wait_for(connection.receive(), self._hello_seconds)
        except TimeoutError:
            raise messages.BadFrame("no hello within 5 seconds of the challenge", messages.Close.TOO_SLOW) from None
        if len(frame) > messages.MAX_HELLO_BYTES:
            raise messages.BadFrame(f"a hello has at most {messages.MAX_HELLO_BYTES:,} bytes", messages.Close.TOO_BIG)
        protocol = messages.protocol_in(frame) if isinstance(frame, str) else None
        if protocol not in (None, messages.PROTOCOL):
            reason = f"client speaks protocol {repr(protocol)[:40]}, server speaks {messages.PROTOCOL}"
            raise messages.BadFrame(reason, messages.Close.VERSION)
        hello = messages.decode_client(frame) if isinstance(frame, str) else None
        if not isinstance(hello, messages.Hello):
            raise messages.BadFrame("the first frame must be a hello")
        if "protocol" not in hello.versions:
            raise messages.BadFrame(
                f"client names no protocol, server speaks {messages.PROTOCOL}", messages.Close.VERSION
            )
        return hello

    def _verify(self, hello: messages.Hello, nonce: str, shown: str | None, address: str) -> Joined:
        """Check the signature and ask for admission; ``shown`` is the server's certificate. In a worker thread."""
        proxies = self._proxies.accepted() if self._proxies is not None else ()
        for certificate in (shown, *proxies):
            signed = signed_message(nonce, certificate)
            if key := self._registry.verified_key(hello.public_key, signed, hello.signature):
                return self._ask(hello, key, address)
        what = "the key and the challenge" if shown is None else "the key, the challenge and this server's certificate"
        raise messages.BadFrame(f"the signature does not fit {what}", messages.Close.SIGNATURE)

    def _ask(self, hello: messages.Hello, key: str, address: str) -> Joined:
        try:
            admission = self._admit(key, hello, address)
            node_id = self._registry.node_id(key) if admission.state == "admitted" else 0
        except StoreUnavailable as error:
            log.warning("%s; the client tries again", error)
            raise messages.BadFrame(CANNOT_CHECK, messages.Close.STOPPING) from error
        except AdmissionRefused as error:
            raise messages.BadFrame(str(error), error.code) from error
        if admission.state == "revoked":
            raise messages.BadFrame("this client was revoked on the server", messages.Close.REVOKED)
        return Joined(hello.model_copy(update={"public_key": key}), admission, node_id)
