"""One virtual client of a host process: connects, and connects again whenever its connection is lost."""

import asyncio
import random
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from federation.client.content_assembly import Contents
from federation.client.description import ClientDescription
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.reconnect import (
    CLOSE_SECONDS,
    FIRST_WAIT_SECONDS,
    OPEN_SECONDS,
    PING_SECONDS,
    PONG_SECONDS,
    SOCKET_LOG,
    failure_sentence,
    longest_wait,
)
from federation.client.tls.server_trust import NotTrusted, ServerTrust, tls_fault
from federation.protocol import messages
from federation.protocol.addresses import format_address, is_loopback
from federation.simulation.session import VirtualSession


class VirtualClient:
    """Stays connected until it is cancelled, or refused by the server. Used on the host's event loop only.

    Parameters
    ----------
    contents : Contents
        What the clients of the process have received.
    joining : asyncio.Semaphore
        Held from the connect to the welcome: the server checks a signature and writes a row for each client.
    on_change : Callable[[], None]
        Called when the client has joined, and when its connection has ended.
    """

    def __init__(
        self, server: tuple[str, int], identity: Identity, description: ClientDescription, outbox: Outbox, *,
        contents: Contents, joining: asyncio.Semaphore, on_change: Callable[[], None], trust: ServerTrust | None = None,
    ) -> None:  # fmt: skip
        self.is_joined = False
        self.trouble = ""
        """Why the last connection ended or could not be made; empty before the first."""
        self.refusal: Refused | NotTrusted | None = None
        self.name = identity.name
        self._server, self._identity, self._description = server, identity, description
        self._outbox, self._contents, self._joining, self._on_change = outbox, contents, joining, on_change
        self._trust, self._was_welcomed = trust, False

    async def run(self) -> None:
        """Return when the server refuses the client for good; ``refusal`` says why."""
        failures = 0
        while self.refusal is None:
            known = self.trouble
            welcomed = await self._connect_once()
            if self.trouble != known:
                self._on_change()
            failures = 0 if welcomed else failures + 1
            if self.refusal is None:
                await asyncio.sleep(random.uniform(FIRST_WAIT_SECONDS, longest_wait(failures)))

    async def _connect_once(self) -> bool:
        """Connect and stay; return whether the server had welcomed the client."""
        await self._joining.acquire()
        with ExitStack() as joining:
            joining.callback(self._joining.release)

            def on_welcome(_: messages.Welcome) -> None:
                joining.close()
                self._set_joined(True)

            session = VirtualSession(self._identity, self._description, self._outbox, self._contents, on_welcome)
            try:
                async with await self._connection() as websocket:
                    try:
                        self.trouble = await session.run(websocket)
                    except asyncio.CancelledError:
                        await websocket.close()  # in order: websockets itself calls this an internal error
                        raise
            except Refused as refused:
                self.refusal, self.trouble = refused, refused.reason
            except (OSError, EOFError, HTTPException, WebSocketException, messages.BadFrame, NotTrusted) as error:
                fault = tls_fault(error)
                self.trouble = str(fault) if fault is not None else failure_sentence(error)
                self.refusal = None if self._was_welcomed else fault
            finally:
                self._set_joined(False)
        self._was_welcomed = self._was_welcomed or session.is_welcomed
        return session.is_welcomed

    async def _connection(self) -> connect:
        trust = self._trust
        context = await asyncio.to_thread(trust.context, *self._server) if trust is not None else None
        return connect(
            f"{'ws' if context is None else 'wss'}://{format_address(*self._server)}{messages.PATH}",
            ssl=context,
            server_hostname=trust.server_name if trust is not None else None,
            subprotocols=[Subprotocol(messages.SUBPROTOCOL)],
            compression=None,
            max_size=messages.MAX_FRAME_BYTES + 4096,
            proxy=None if is_loopback(self._server[0]) else True,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            logger=SOCKET_LOG,
        )

    def _set_joined(self, joined: bool) -> None:
        if joined != self.is_joined:
            self.is_joined = joined
            self._on_change()
