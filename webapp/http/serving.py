"""Binds the listening sockets of the process, and adapts uvicorn's server to the dashboard and its event streams."""

import os
import socket
from collections.abc import Callable

from starlette.types import ASGIApp

from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.guarded_http import HttpLimits
from federation.protocol.serving import MAX_WAITING, EmbeddedServer
from federation.protocol.tls.certificates import ServerTls


class PortTaken(Exception):
    """The port is in use, or the address is not this machine's; the text names the setting."""


def bind(host: str, port: int, flag: str) -> socket.socket:
    """Return a socket that listens already, because a port can be bound twice until then; raises PortTaken."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        takes_both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=MAX_WAITING, dualstack_ipv6=takes_both)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise PortTaken(
            f"Cannot listen on {host} port {port}: {why}. "
            f"Stop the program that uses it, or set another with --{flag} or MEADOW_{flag.upper().replace('-', '_')}."
        ) from error


class DashboardServer(EmbeddedServer):
    """Serves the dashboard's app, and ends its event streams before it waits for connections to close.

    ``end_streams`` is called on the server's loop at the end. The server ends by itself soon after ``must_end`` returns
    True; it is called on the loop ten times a second.
    """

    def __init__(
        self, app: ASGIApp, bounds: ConnectionBounds, end_streams: Callable[[], None],
        must_end: Callable[[], bool] = lambda: False, limits: HttpLimits | None = None, tls: ServerTls | None = None,
    ) -> None:  # fmt: skip
        super().__init__(app, "dashboard's port", bounds, end_streams, limits, tls, ws="none")
        self._must_end = must_end

    async def on_tick(self, counter: int) -> bool:
        """Return whether the server is to end."""
        return await super().on_tick(counter) or self._must_end()
