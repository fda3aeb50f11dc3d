"""The reconnect loop of a client: connects, logs in one line why it could not, and tries again until it is stopped."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPException
from typing import cast

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from federation.client.description import ClientDescription
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.session import Session
from federation.client.tls.server_trust import NotTrusted, ServerTrust, tls_fault
from federation.client.websocket import ClientWebSocket
from federation.protocol import messages
from federation.protocol.addresses import format_address, is_loopback

log = logging.getLogger(__name__)

SOCKET_LOG = logging.getLogger("websockets.client.meadow")
"""websockets logs a traceback where a server answers no pings; the loop says so in a sentence of its own."""

SOCKET_LOG.addFilter(lambda record: record.getMessage() != "keepalive ping failed")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 5.0
OPEN_SECONDS, CLOSE_SECONDS, PING_SECONDS, PONG_SECONDS = 5.0, 1.0, 10.0, 20.0

OnEnd = Callable[[Refused | NotTrusted | None], None]


class ReconnectLoop:
    """Holds the connection in a thread of its own, so that pings are answered and cancels seen while a task runs.

    Public methods may be called from any thread.

    Parameters
    ----------
    on_end : OnEnd
        Called in that thread when the loop ends by itself: with a refusal, or with None after an error of its own.
    trust : ServerTrust | None
        Which server is trusted; without it the client speaks no TLS. A server that is not trusted ends a loop which
        it has never welcomed; later the loop tries again, for a certificate is renewed, too.
    ping_seconds, pong_seconds : float
        How often the server is pinged, and how long it may take to answer.
    """

    def __init__(
        self, host: str, port: int, identity: Identity, description: ClientDescription, outbox: Outbox, on_end: OnEnd,
        *, trust: ServerTrust | None = None, ping_seconds: float = PING_SECONDS, pong_seconds: float = PONG_SECONDS,
    ) -> None:  # fmt: skip
        self.address = format_address(host, port)
        self._host, self._identity, self._description, self._outbox = host, identity, description, outbox
        self._on_end, self._ping_seconds, self._pong_seconds = on_end, ping_seconds, pong_seconds
        self._port, self._trust, self._was_welcomed = port, trust, False
        self._websocket: ClientWebSocket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconnect", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Close the connection and open no other; ``wait`` waits for that."""
        self._stopping.set()
        if (websocket := self._websocket) is not None:
            websocket.close()

    @property
    def is_running(self) -> bool:
        """Whether the client is connected, or tries to be."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the thread; False when it is still there after ``seconds``."""
        self._thread.join(seconds)
        return not self.is_running

    def _run(self) -> None:
        refusal: Refused | NotTrusted | None = None
        try:
            self._stay_connected()
        except (Refused, NotTrusted) as refused:
            refusal = refused
        except BaseException:  # a thread that ends must end the process
            log.exception("the connection thread failed")
        if not self._stopping.is_set():
            self._on_end(refusal)

    def _stay_connected(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            reason, welcomed = self._connect_once()
            failures = 0 if welcomed else failures + 1
            if not self._stopping.is_set():
                delay = random.uniform(FIRST_WAIT_SECONDS, longest_wait(failures))
                log.warning("%s: %s, retrying in %.1f s", self.address, reason, delay)
                self._stopping.wait(delay)

    def _connect_once(self) -> tuple[str, bool]:
        """Connect and stay; return why the connection ended, and whether the server had welcomed the client."""
        session: Session | None = None
        try:
            with self._open() as websocket:
                self._websocket = websocket
                if self._stopping.is_set():
                    return "stopping", False
                log.info("connected to %s", self.address)
                session = Session(websocket, self._identity, self._description, self._outbox)
                reason = session.run()
        except (OSError, EOFError, HTTPException, WebSocketException, messages.BadFrame, NotTrusted) as error:
            fault = tls_fault(error)
            if fault is not None and not self._was_welcomed:
                raise fault from error
            reason = str(fault) if fault is not None else failure_sentence(error)
        finally:
            self._websocket = None
        welcomed = session is not None and session.welcome is not None
        self._was_welcomed = self._was_welcomed or welcomed
        if welcomed:
            self._description = replace(self._description, code=None)  # the server knows the key now
        return reason, welcomed

    def _open(self) -> ClientWebSocket:
        context = self._trust.context(self._host, self._port) if self._trust is not None else None
        return cast(
            ClientWebSocket,
            connect(
                f"{'ws' if context is None else 'wss'}://{self.address}{messages.PATH}",
                ssl=context,
                server_hostname=self._trust.server_name if self._trust is not None else None,
                subprotocols=[Subprotocol(messages.SUBPROTOCOL)],
                compression=None,
                max_size=messages.MAX_FRAME_BYTES + 4096,
                # A proxy named in the environment is for other machines, not for this one.
                proxy=None if is_loopback(self._host) or self._host.endswith(".localhost") else True,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                ping_interval=self._ping_seconds,
                ping_timeout=self._pong_seconds,
                logger=SOCKET_LOG,
                create_connection=ClientWebSocket,
            ),
        )


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
            return (error.strerror or str(error)).lower()
    return f"no connection ({error})"
