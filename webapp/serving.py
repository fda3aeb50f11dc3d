"""What a process needs to serve: sockets bound first, the lock of its data, and a server that ends well."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn


class PortTaken(Exception):
    """The port is in use, or the address is not this machine's; the sentence names the setting."""


class DataInUse(Exception):
    """Another dashboard works on the data directory or the database; the sentence says which."""


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


def spell(host: str, port: int) -> str:
    """Return an address as it stands in a URL: one of IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def hold(lock_file: Path, what: str, flag: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Hold what lies beside a lock file while the block runs; what it gives tells others where we are.

    Raises DataInUse, with a sentence that says of ``what`` and which setting chooses another.
    """
    with open(lock_file, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataInUse(_holder(lock_file, what, flag)) from error

        def say(where: dict[str, Any]) -> None:
            file.truncate(0)
            json.dump({"pid": os.getpid(), **where}, file)
            file.flush()

        say({})
        try:
            yield say
        finally:
            file.truncate(0)


def _holder(lock_file: Path, what: str, flag: str) -> str:
    try:
        holder = json.loads(lock_file.read_text(encoding="utf-8"))
        at = f", at http://{spell(holder['host'], holder['port'])}," if "port" in holder else ""
        who = f"process {holder['pid']}{at}"
    except (OSError, ValueError, KeyError):
        who = "another dashboard"
    return f"The {what} is in use: {who} works on it. Stop that one, or choose another --{flag}."


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
