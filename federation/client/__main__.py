"""``python -m federation.client``: one client of a federation, from the command line to its exit code.

Modules that import flwr are imported in functions: ``main`` sets flwr's environment first, and a wrong option is
answered at once.
"""

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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

from federation.client.console import TaskConsole, write_log_to
from federation.client.identity import BadIdentity, Identity, default_path
from federation.client.outbox import Outbox
from federation.client.reconnect import ReconnectLoop
from federation.client.session import ClientDescription, Refused
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
"""Exit codes for the close codes by which the server refuses a client for good."""

DEFAULT_PORT = 8080
GRACE_SECONDS = 1.5
"""How long a batch, a frame or a close may take after a signal to end."""


def parse_address(server: str) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``."""
    try:
        parts = urlsplit(f"//{server}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.path or parts.query or parts.username is not None:
        raise typer.BadParameter(f"{server!r} is not HOST:PORT")
    return host, port


def load_app(spec: str, data: dict[str, Any]) -> "Work":
    """Return the Flower ClientApp that ``module:attribute`` names as the client's work, which prepares nothing."""
    from flwr.clientapp import ClientApp

    from federation.learning.client_app import Work

    module, _, attribute = spec.partition(":")
    try:
        app = getattr(importlib.import_module(module), attribute or "app")
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"{spec!r} cannot be loaded: {error}") from error
    if not isinstance(app, ClientApp):
        raise typer.BadParameter(f"{spec!r} is not a flwr.clientapp.ClientApp")
    return Work(app=app, prepare=lambda config: {}, data={**data, "app": spec, "samples": None, "source": spec})


def join(
    server: Annotated[str, typer.Option(help="Address of the Flower server.", metavar="HOST:PORT")] = "127.0.0.1:8080",
    name: Annotated[str | None, typer.Option(help="Client name on the dashboard; default: the host name.")] = None,
    dataset: Annotated[Dataset | None, typer.Option(help="Dataset; default: digits, or none with --app.")] = None,
    partition: Annotated[int, typer.Option(min=0, help="Index of the client's partition, from 0.")] = 0,
    partitions: Annotated[int, typer.Option(min=1, help="Number of partitions.")] = 2,
    data_path: Annotated[Path | None, typer.Option(help="File or folder that holds the dataset.")] = None,
    identity: Annotated[
        Path | None, typer.Option(help="File with the key pair and the name; created if missing.")
    ] = None,
    rename: Annotated[bool, typer.Option("--rename", help="Change the name in the identity file to --name.")] = False,
    share_labels: Annotated[
        bool, typer.Option("--share-labels", help="Report the number of samples per label to the server.")
    ] = False,
    app: Annotated[
        str | None, typer.Option(help="Run this Flower ClientApp instead of the built-in client.", metavar="MODULE:APP")
    ] = None,
    end_with_stdin: Annotated[
        bool, typer.Option("--end-with-stdin", help="Exit when standard input is closed.")
    ] = False,
) -> None:
    """Connect to a Meadow server, train on local data, and send updates back. Stop with Ctrl-C."""
    host, port = parse_address(server)
    _check_options(name, partition, partitions)
    console = Console(stderr=True)
    write_log_to(console)
    node_config = {"partition-id": partition, "num-partitions": partitions}
    data: dict[str, Any] = {"dataset": dataset, "partition": partition, "partitions": partitions}
    held: Dataset = dataset or "digits"
    identity, data_path = (path and path.expanduser() for path in (identity, data_path))
    try:
        file = identity or default_path(name or _host_name())
        loaded = Identity.load(file, name, _host_name(), rename=rename)
        built_in = partial(_built_in_work, held, partition, partitions, path=data_path, share_labels=share_labels)
        work = built_in() if app is None else load_app(app, data)
    except BadIdentity as error:
        _fail(USAGE, str(error))
    log.info("client %s: %s, partition %d of %d", loaded.name, app or held, partition, partitions)
    raise typer.Exit(_serve(host, port, loaded, work, node_config, TaskConsole(console), end_with_stdin))


def _check_options(name: str | None, partition: int, partitions: int) -> None:
    if partition >= partitions:
        raise typer.BadParameter(f"partition {partition} of {partitions} does not exist: partitions count from 0")
    if name is not None and not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME_CHARACTERS} characters")


def _built_in_work(
    dataset: Dataset, partition: int, partitions: int, *, path: Path | None, share_labels: bool
) -> "Work":
    from federation.learning.client_app import build_work
    from federation.learning.data.datasets import DataNotFound

    try:
        return build_work(dataset, partition, partitions, path=path, share_labels=share_labels)
    except DataNotFound as error:
        _fail(NO_DATA, str(error))


def _serve(host: str, port: int, identity: Identity, work: "Work", node_config: dict[str, int], console: TaskConsole,
           end_with_stdin: bool) -> int:  # fmt: skip
    """Work until a signal, a refusal or the end of standard input comes, and return the exit code."""
    from federation.client.executor import Executor
    from federation.client.worker import Worker

    codes: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may be called in a signal handler
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda *_: codes.put(0))
    if end_with_stdin:
        threading.Thread(target=_follow_stdin, args=[lambda: codes.put(0)], name="stdin", daemon=True).start()

    def on_end(refusal: Refused | None) -> None:
        if refusal is not None:
            log.error("%s: %s", connection.address, refusal.reason)
        codes.put(BROKEN if refusal is None else EXIT_CODES[refusal.code])

    outbox = Outbox()
    worker = Worker(Executor(work, node_config), outbox, console, on_failure=lambda: codes.put(BROKEN))
    description = ClientDescription(versions(), facts(), work.data)
    connection = ReconnectLoop(host, port, identity, description, outbox, on_end)
    worker.start()
    connection.start()
    code = codes.get()
    guard = threading.Timer(GRACE_SECONDS, os._exit, [code])
    guard.daemon = True
    guard.start()
    worker.stop()
    connection.stop()
    if not (worker.wait(GRACE_SECONDS) and connection.wait(GRACE_SECONDS)):
        os._exit(code)
    return code


def _follow_stdin(on_end: Callable[[], None]) -> None:
    """Wait until no process holds the other end of standard input any more; what is written there is ignored."""
    with contextlib.suppress(OSError):  # it was closed from the beginning: that is its end, too
        while os.read(0, 4096):  # not sys.stdin: a thread that waits in there stops the interpreter's end
            pass
    log.info("standard input was closed: the client exits")
    on_end()


def versions() -> dict[str, str | int]:
    """Return the versions of the protocol and of the packages that training depends on, without importing them."""
    found: dict[str, str | int] = {"protocol": PROTOCOL}
    for package in ("meadow", "flwr", "tensorflow", "keras", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def facts() -> dict[str, object]:
    """Return facts about the machine. ``process`` is another one at each start of the client."""
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
    """Run the command line, without Flower's telemetry and TensorFlow's messages unless the environment sets them."""
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
