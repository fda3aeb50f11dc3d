"""What a process needs to serve: sockets that are bound first, and a server that ends well."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import uvicorn


class PortTaken(Exception):
    """The port is in use, or the address is not this machine's; the sentence names the setting."""


def bind(host: str, port: int, flag: str) -> socket.socket:
    """Return a listening socket; raises PortTaken. It listens at once: a bound port alone can be bound twice."""
    sock = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(2048)
    except OSError as error:
        if sock is not None:
            sock.close()
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise PortTaken(
            f"Cannot listen on {host} port {port}: {why}. "
            f"Stop what uses it, or choose another with --{flag} or MEADOW_{flag.upper().replace('-', '_')}."
        ) from error
    return sock


class DashboardServer(uvicorn.Server):
    """Leaves signals to the process, and ends its streams before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn would raise a caught signal again after the end, and the process would die of it."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then do what uvicorn does."""
        self._end_streams()
        await super().shutdown(sockets)
