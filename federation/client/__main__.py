"""``python -m federation.client``: one client of a federation, from the command line to its exit code."""

import contextlib
import importlib
import importlib.metadata
import logging
import os
import platform
import queue
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from federation.client.identity import BadIdentity, Identity, default_path
from federation.protocol.messages import MAX_NAME_CHARACTERS, PROTOCOL, Close
from federation.run.config import Dataset

if TYPE_CHECKING:
    from federation.learning.client_app import Work

log = logging.getLogger(__name__)

BROKEN, USAGE, NO_DATA = 1, 2, 3
EXIT_CODES = {
    Close.VERSION: 4,
    Close.REVOKED: 5,
    Close.SIGNATURE: 6,
    Close.BAD_FRAME: 7,
    Close.SUPERSEDED: 8,
    Close.TOO_BIG: 9,
}
"""What the process ends with when the server refuses it for good."""

DEFAULT_PORT = 8080
GRACE_SECONDS = 1.5
"""How long a batch, a frame or a close may take once the process was told to end."""


def parse_address(server: str) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``."""
    try:
        parts = urlsplit(f"//{server}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.path or parts.query or parts.username is not None:
        raise typer.BadParameter(f"{server!r} is no HOST:PORT")
    return host, port


def load_app(spec: str, data: dict[str, Any]) -> "Work":
    """Return the Flower ClientApp that ``module:attribute`` names, as work; it prepares nothing."""
    from flwr.clientapp import ClientApp

    from federation.learning.client_app import Work

    module, _, attribute = spec.partition(":")
    try:
        app = getattr(importlib.import_module(module), attribute or "app")
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"{spec!r} cannot be loaded: {error}") from error
    if not isinstance(app, ClientApp):
        raise typer.BadParameter(f"{spec!r} is no flwr.clientapp.ClientApp")
    return Work(app=app, prepare=lambda config: {}, data={**data, "app": spec, "samples": None, "source": spec})


def join(
    server: Annotated[str, typer.Option(help="Flower server to join.", metavar="HOST:PORT")] = "127.0.0.1:8080",
    name: Annotated[str | None, typer.Option(help="What people call this client; default: the host's name.")] = None,
    dataset: Annotated[Dataset, typer.Option(help="Data set that it holds a part of.")] = "digits",
    partition: Annotated[int, typer.Option(min=0, help="Which part, from 0.")] = 0,
    partitions: Annotated[int, typer.Option(min=1, help="How many parts there are.")] = 2,
    data_path: Annotated[Path | None, typer.Option(help="Where the data set's files are.")] = None,
    identity: Annotated[Path | None, typer.Option(help="File with key pair and name; made when missing.")] = None,
    share_labels: Annotated[
        bool, typer.Option("--share-labels", help="Tell the server how many samples have which label.")
    ] = False,
    app: Annotated[str | None, typer.Option(help="Serve this Flower ClientApp instead.", metavar="MODULE:APP")] = None,
    end_with_stdin: Annotated[
        bool, typer.Option("--end-with-stdin", help="End when standard input does: whoever started this is gone.")
    ] = False,
) -> None:
    """Join a federation: wait for its rounds, train on local data, send weights back. Ctrl-C ends it."""
    from rich.console import Console

    from federation.client.console import write_log_to

    host, port = parse_address(server)
    if partition >= partitions:
        raise typer.BadParameter(f"there is no partition {partition} of {partitions}: they are counted from 0")
    if name is not None and not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME_CHARACTERS} characters")
    console = Console(stderr=True)
    write_log_to(console)
    node_config = {"partition-id": partition, "num-partitions": partitions}
    data: dict[str, Any] = {"dataset": dataset, "partition": partition, "partitions": partitions}
    identity, data_path = (path and path.expanduser() for path in (identity, data_path))
    try:
        who = Identity.load(identity or default_path(name or _host_name()), name, _host_name())
        work = (
            load_app(app, data) if app is not None else _usual_work(**data, path=data_path, share_labels=share_labels)
        )
    except BadIdentity as error:
        _fail(USAGE, str(error))
    log.info("%s, part %d of %d of %s", who.name, partition, partitions, dataset if app is None else app)
    raise typer.Exit(_serve(host, port, who, work, node_config, console, end_with_stdin))


def _usual_work(dataset: Dataset, partition: int, partitions: int, *, path: Path | None, share_labels: bool) -> "Work":
    from federation.learning.client_app import build_work
    from federation.learning.data.datasets import DataNotFound

    try:
        return build_work(dataset, partition, partitions, path=path, share_labels=share_labels)
    except DataNotFound as error:
        _fail(NO_DATA, str(error))


def _serve(
    host: str, port: int, who: Identity, work: "Work", node_config: dict[str, Any], console: Any, end_with_stdin: bool
) -> int:
    """Work until a signal, a refusal or the end of standard input comes, and return the exit code."""
    from federation.client.console import Display
    from federation.client.executor import Desk
    from federation.client.outbox import Pending
    from federation.client.reconnect import Link
    from federation.client.session import Refused
    from federation.client.worker import Worker

    codes: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may be called in a signal handler
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: codes.put(0))
    if end_with_stdin:
        threading.Thread(target=_follow_stdin, args=[lambda: codes.put(0)], name="stdin", daemon=True).start()

    def ended(refusal: Refused | None) -> None:
        if refusal is not None:
            log.error("%s:%d: %s", host, port, refusal.reason)
        codes.put(BROKEN if refusal is None else EXIT_CODES[refusal.code])

    said = {"versions": versions(), "facts": facts(), "data": work.data}
    pending = Pending()
    worker = Worker(Desk(work, node_config), pending, Display(console), failed=lambda: codes.put(BROKEN))
    link = Link(host, port, who, lambda: said, pending, ended)
    worker.start()
    link.start()
    code = codes.get()
    guard = threading.Timer(GRACE_SECONDS, os._exit, [code])
    guard.daemon = True
    guard.start()
    worker.stop()
    link.stop()
    if not (worker.wait(GRACE_SECONDS) and link.wait(GRACE_SECONDS)):
        os._exit(code)
    return code


def _follow_stdin(ended: Callable[[], None]) -> None:
    """Wait until nobody holds the other end of standard input any more; what is written there is passed over."""
    with contextlib.suppress(OSError):  # it was closed from the beginning: that is its end, too
        while os.read(0, 4096):  # not sys.stdin: a thread that waits in there stops the interpreter's end
            pass
    log.info("standard input has ended: so does this client")
    ended()


def versions() -> dict[str, str | int]:
    """Return the protocol's version and those of the packages that matter, without importing them."""
    found: dict[str, str | int] = {"protocol": PROTOCOL}
    for package in ("meadow", "flwr", "tensorflow", "keras", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def facts() -> dict[str, Any]:
    """Return what the machine is. ``process`` tells one start of the client from the next."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "hostname": socket.gethostname(),
        "process": secrets.token_hex(8),
    }


def _host_name() -> str:
    return socket.gethostname()[:MAX_NAME_CHARACTERS] or "client"


def _fail(code: int, sentence: str) -> NoReturn:
    log.error("%s", sentence)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line, without Flower's telemetry and TensorFlow's greeting unless the environment wants them."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    commands = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False
    )  # the pretty ones print local variables
    commands.command()(join)
    commands()


if __name__ == "__main__":
    main()
