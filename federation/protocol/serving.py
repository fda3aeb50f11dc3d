"""A uvicorn server beside others in one process, on a port whose peers are bounded."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit
from federation.protocol.guarded_http import MAX_HEAD_BYTES, GuardedHttp, HttpLimits

ACCEPTED_AT_ONCE = 64
"""So many connections above its bounds a port may accept, before it closes the first of them."""
MAX_WAITING = 2048
"""Connections that the system holds until they are accepted."""


class EmbeddedServer(uvicorn.Server):
    """Serves an app, handles no signals, and calls ``before_shutdown`` before it waits for connections to end.

    ``port`` is the port's name in the log.
    """

    def __init__(self, app: ASGIApp, port: str, bounds: ConnectionBounds, before_shutdown: Callable[[], None],
                 limits: HttpLimits | None = None, **options: Any) -> None:  # fmt: skip
        guards = {"limits": limits or HttpLimits(), "connection_limit": ConnectionLimit(bounds, port)}
        super().__init__(uvicorn.Config(
            app, http=type(GuardedHttp.__name__, (GuardedHttp,), guards), h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            backlog=ACCEPTED_AT_ONCE, timeout_graceful_shutdown=2, access_log=False, log_config=None,
            server_header=False, **options,
        ))  # fmt: skip
        self._before_shutdown = before_shutdown

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn raises a captured signal again at its end, and that would kill the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; asyncio accepts as many connections at once as it lets the system hold: it is to hold more."""
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(MAX_WAITING)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, after ``before_shutdown``."""
        self._before_shutdown()
        await super().shutdown(sockets)
