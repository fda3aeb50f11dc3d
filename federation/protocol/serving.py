"""A uvicorn server beside others in one process, on a port whose peers are bounded."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit
from federation.protocol.guarded_http import MAX_HEAD_BYTES, GuardedHttp, HttpLimits
from federation.protocol.tls.certificates import ServerTls
from federation.protocol.tls.handshake import TlsHandshake
from federation.protocol.trusted_proxies import TrustedProxies

ACCEPTED_AT_ONCE = 64
"""So many connections above its bounds a port may accept, before it closes the first of them."""
MAX_WAITING = 2048
"""Connections that the system holds until they are accepted."""


class EmbeddedServer(uvicorn.Server):
    """Serves an app, handles no signals, and calls ``before_shutdown`` before it waits for connections to end.

    ``port`` is the port's name in the log. With ``tls`` the port speaks TLS; renewed files are taken within a second.
    """

    def __init__(self, app: ASGIApp, port: str, bounds: ConnectionBounds, before_shutdown: Callable[[], None],
                 limits: HttpLimits | None = None, tls: ServerTls | None = None, **options: Any) -> None:  # fmt: skip
        guards = {"limits": limits or HttpLimits(), "connection_limit": ConnectionLimit(bounds, port)}
        http: Any = type(GuardedHttp.__name__, (GuardedHttp,), guards)
        begin = http if tls is None else cast(Any, partial(TlsHandshake, tls, http))
        app = TrustedProxies(app, bounds, port) if bounds.proxies else app
        super().__init__(uvicorn.Config(
            app, http=begin, h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            backlog=ACCEPTED_AT_ONCE, timeout_graceful_shutdown=2, access_log=False, log_config=None,
            server_header=False, proxy_headers=False, **options,
        ))  # fmt: skip
        self._before_shutdown, self._tls = before_shutdown, tls

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn raises a captured signal again at its end, and that would kill the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; asyncio accepts as many connections at once as it lets the system hold: it is to hold more."""
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(MAX_WAITING)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; returns whether the server is to end."""
        if self._tls is not None and counter % 10 == 0:
            self._tls.refresh()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, after ``before_shutdown``."""
        self._before_shutdown()
        await super().shutdown(sockets)
