"""The reconnect loop of a client: connects, logs in one line why it could not, and tries again until it is stopped."""

import asyncio
import logging
import os
import random
import re
from dataclasses import replace
from http.client import HTTPException

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from federation.client.content_assembly import Contents
from federation.client.description import ClientDescription
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.server_trust import NotTrusted, ServerTrust, tls_fault
from federation.client.session import Session
from federation.client.websocket import ClientWebSocket
from federation.protocol import messages
from federation.protocol.addresses import format_address, is_loopback
from federation.protocol.sockets import limit_unsent_bytes

log = logging.getLogger(__name__)

SOCKET_LOG = logging.getLogger("websockets.client.meadow")
"""websockets logs a traceback where a server answers no pings; the loop says so in a sentence of its own."""

SOCKET_LOG.addFilter(lambda record: record.getMessage() != "keepalive ping failed")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 5.0
OPEN_SECONDS, CLOSE_SECONDS, PING_SECONDS, PONG_SECONDS = 5.0, 1.0, 10.0, 20.0


class Connect(connect):
    """Opens a WebSocket at the address that it gets, and at no other one that a server there names."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Return the answer itself, a redirect as well: it is that of no Meadow server."""
        return exc


class ReconnectLoop:
    """Keeps a client connected until it is cancelled, or refused by the server for good. Used on one event loop only.

    Parameters
    ----------
    trust : ServerTrust | None
        Which server is trusted; without it the client speaks no TLS. A server that is not trusted ends a loop which
        it has never welcomed; later the loop tries again, for a certificate is renewed, too.
    contents : Contents | None
        What other connections of the process have received.
    ping_seconds, pong_seconds : float
        How often the server is pinged, and how long it may take to answer.
    """

    def __init__(
        self, server: tuple[str, int], identity: Identity, description: ClientDescription, outbox: Outbox, *,
        trust: ServerTrust | None = None, contents: Contents | None = None, ping_seconds: float = PING_SECONDS,
        pong_seconds: float = PONG_SECONDS,
    ) -> None:  # fmt: skip
        self.address, self.name = format_address(*server), identity.name
        self.trouble = ""
        """Why the last connection ended or could not be made; empty before the first."""
        self.refusal: Refused | NotTrusted | None = None
        self._server, self._identity, self._description, self._outbox = server, identity, description, outbox
        self._trust, self._contents, self._was_welcomed = trust, contents or Contents(), False
        self._ping_seconds, self._pong_seconds = ping_seconds, pong_seconds

    async def run(self) -> None:
        """Return when the server refuses the client for good; ``refusal`` says why."""
        failures = 0
        while self.refusal is None:
            failures = 0 if await self.connect_once() else failures + 1
            delay = random.uniform(FIRST_WAIT_SECONDS, longest_wait(failures))
            self.on_lost(delay)
            if self.refusal is None:
                await asyncio.sleep(delay)

    async def connect_once(self) -> bool:
        """Connect and stay; return whether the server had welcomed the client."""
        session: Session | None = None
        try:
            async with await self._open() as websocket:
                self.on_connect()
                session = Session(
                    websocket, self._identity, self._description, self._outbox, self._contents, self.on_welcome
                )
                try:
                    self.trouble = await session.run()
                except asyncio.CancelledError:
                    await websocket.close()  # in order: websockets itself calls this an internal error
                    raise
        except Refused as refused:
            self.refusal, self.trouble = refused, refused.reason
        except (OSError, EOFError, HTTPException, WebSocketException, messages.BadFrame, NotTrusted) as error:
            fault = tls_fault(error)
            self.trouble = str(fault) if fault is not None else failure_sentence(error)
            self.refusal = None if self._was_welcomed else fault
        if session is None or not session.is_welcomed:
            return False
        self._was_welcomed = True
        self._description = replace(self._description, code=None)  # the server knows the key now
        return True

    def on_connect(self) -> None:
        """Called when there is a connection."""
        log.info("connected to %s", self.address)

    def on_welcome(self, welcome: messages.Welcome) -> None:
        """Called when the client has joined, and again when a pending client was admitted."""
        if welcome.state == "pending":
            log.info("joined as client %d: pending approval on the Clients page", welcome.client_id)
        else:
            log.info("joined as client %d, %s", welcome.client_id, self.name)

    def on_lost(self, delay: float) -> None:
        """Called at the end of a connection, with the seconds until the next one unless the client was refused."""
        if self.refusal is None:
            log.warning("%s: %s, retrying in %.1f s", self.address, self.trouble, delay)

    async def _open(self) -> ClientWebSocket:
        host, trust = self._server[0], self._trust
        context = await asyncio.to_thread(trust.context, *self._server) if trust is not None else None
        websocket = await Connect(
            f"{'ws' if context is None else 'wss'}://{self.address}{messages.PATH}",
            create_connection=ClientWebSocket,
            ssl=context,
            server_hostname=trust.server_name if trust is not None else None,
            subprotocols=[Subprotocol(messages.SUBPROTOCOL)],
            compression=None,
            max_size=messages.MAX_FRAME_BYTES + 4096,
            # A proxy named in the environment is for other machines, not for this one.
            proxy=None if is_loopback(host) or host.endswith(".localhost") else True,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=self._ping_seconds,
            ping_timeout=self._pong_seconds,
            logger=SOCKET_LOG,
        )
        assert isinstance(websocket, ClientWebSocket)
        limit_unsent_bytes(websocket.transport.get_extra_info("socket"))
        return websocket


def longest_wait(failures: int) -> float:
    """Return how many seconds may pass before the next attempt, after a number of failed ones in a row."""
    return min(LONGEST_WAIT_SECONDS, 2 * FIRST_WAIT_SECONDS * float(2 ** min(failures, 10)))


def failure_sentence(error: Exception) -> str:
    """Return why a connection could not be made, or was ended."""
    match error:
        case InvalidStatus() if error.response.status_code == 503:
            return "answered HTTP 503: serves no more connections now"
        case InvalidStatus():
            return f"answered HTTP {error.response.status_code}: not a Meadow server"
        case messages.BadFrame():
            return f"does not speak {messages.SUBPROTOCOL} ({error})"
        case TimeoutError():
            return f"no answer within {OPEN_SECONDS:.0f} seconds"
        case OSError():
            return _reason_of(error).lower()
    return f"no connection ({error})"


def _reason_of(error: OSError) -> str:
    """Return the system's words for an error: asyncio has its own, and joins those of several addresses of a host."""
    numbers = re.findall(r"\[Errno (\d+)\] Connect call failed", str(error))
    return os.strerror(int(numbers[-1])) if numbers else error.strerror or str(error)
