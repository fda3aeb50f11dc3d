"""How a connection to a TLS port begins: it is counted, shaken hands with in time, and handed on to HTTP.

A peer that speaks no TLS gets an answer in plain HTTP that says so. Everything here runs on the server's event loop.
"""

import asyncio
import contextlib
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from federation.protocol.guarded_http import GuardedHttp
from federation.protocol.tls.certificates import ServerTls

HANDSHAKE_RECORD = 22
"""The first byte of a TLS connection."""

CLOSE_SECONDS = 5.0
"""So long the peer may take to read the rest and to close as TLS has it."""

BUFFER_BYTES = 64 * 1024
"""As much may wait in the buffer as without TLS, before writers are told to wait."""

NEEDS_TLS = "This port speaks TLS: write https:// in front of its address. A client needs --root-certificates as well."


class TlsHandshake(asyncio.Protocol):
    """The protocol of a new connection, up to its first byte of HTTP."""

    def __init__(self, tls: ServerTls, http: type[GuardedHttp], config: Any, server_state: Any, app_state: Any,
                 _loop: asyncio.AbstractEventLoop | None = None) -> None:  # fmt: skip
        self._tls, self._http, self._connections = tls, http, server_state.connections
        self._make_http = partial(http, config, server_state, app_state, _loop)
        self._raw = self._early = b""
        self._task: asyncio.Task[None] | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when a peer has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        peer = transport.get_extra_info("peername")
        self._leave = self._http.connection_limit.enter(peer[0] if peer else "")
        if self._leave is None:
            self._transport.abort()  # a handshake would cost more than the connection that there is no room for
            return
        self._connections.add(self)
        self._timer = self._loop.call_later(self._http.limits.request, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Called with the peer's first bytes, and with those that it sent behind its handshake."""
        if self._task is not None and not self._raw:
            self._early += data
            return
        self._raw += data
        if self._task is not None or self._leave is None:
            return
        self._timer.cancel()
        if self._raw[0] == HANDSHAKE_RECORD:
            self._task = self._loop.create_task(self._shake_hands())
        else:
            upgrade = (("upgrade", "TLS/1.2, HTTP/1.1"),)
            self._hand_on(self._transport).refuse(HTTPStatus.UPGRADE_REQUIRED, NEEDS_TLS, upgrade)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed before it is handed on."""
        self._is_lost = True
        if self._task is None:
            self._end()

    def shutdown(self) -> None:
        """Called when the server stops."""
        self._transport.abort()

    async def _shake_hands(self) -> None:
        left = max(self._began_at + self._http.limits.request - self._loop.time(), 0.01)
        begun = self._loop.create_task(self._loop.start_tls(
            self._transport, self, self._tls.certificate.context, server_side=True, ssl_handshake_timeout=left,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        ))  # fmt: skip
        await asyncio.sleep(0)  # start_tls has set its own protocol by now, which has not seen the first bytes
        _feed(cast(asyncio.BufferedProtocol, self._transport.get_protocol()), self._raw)
        self._raw = b""
        secure: asyncio.Transport | None = None
        with contextlib.suppress(OSError):  # of strangers nothing is logged
            secure = await begun
        if secure is None or self._is_lost:
            self._end()
            return
        secure.set_write_buffer_limits(high=BUFFER_BYTES)
        http = self._hand_on(secure)
        if self._early:
            http.data_received(self._early)

    def _hand_on(self, transport: asyncio.Transport) -> GuardedHttp:
        """Let HTTP go on with the connection, which has been counted, from the moment at which it began."""
        self._connections.discard(self)
        http = self._make_http()
        http.count_from(self._leave, self._began_at)
        http.connection_made(transport)
        transport.set_protocol(http)
        return http

    def _end(self) -> None:
        self._connections.discard(self)
        if self._leave is not None:
            self._timer.cancel()
            self._leave()
            self._leave = None


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give a protocol bytes as a transport does."""
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
