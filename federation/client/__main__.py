"""``python -m federation.client``: one client of a federation, from the command line to its exit code.

Modules that import flwr are imported in functions: ``main`` sets flwr's environment first, and a wrong option is
answered at once.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console

from federation.client.console import TaskConsole, open_standard_streams, write_log_to
from federation.client.identity import BadIdentity, Identity, default_path
from federation.client.options import joining as options
from federation.client.options import own_data as own
from federation.client.options.joining import Joining, complete, expanded
from federation.client.options.node_config import read_node_config
from federation.client.server_trust import BadRoots, ServerTrust
from federation.learning.data.own.options import DEFAULT_IMAGE_SIZE, DEFAULT_MIN_ROWS
from federation.protocol.addresses import parse_address
from federation.protocol.keys import fingerprint
from federation.protocol.messages import MAX_NAME_CHARACTERS
from federation.run.networks import Dataset

if TYPE_CHECKING:
    from federation.learning.client_app import Work

log = logging.getLogger(__name__)

USAGE, NO_DATA = 2, 3
DEFAULT_PORT = 8080
HTTPS = "https://"


def parse_server(server: str) -> tuple[str, int]:
    """Return host and port of the option --server, with or without https:// before them; raises BadParameter."""
    try:
        return parse_address(server.removeprefix(HTTPS), DEFAULT_PORT)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_node_config(text: str) -> dict[str, Any]:
    """Return the values of ``partition-id=0 name="ward 3"``, as ``flower-supernode`` reads its ``--node-config``."""
    try:
        return read_node_config(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def load_app(spec: str, dataset: Dataset | None, node: dict[str, Any]) -> "Work":
    """Return the work of the Flower ClientApp that ``module:attribute`` names."""
    from federation.client.tasks.apps import BadApp, work_of_app

    try:
        return work_of_app(spec, dataset, node)
    except BadApp as error:
        raise typer.BadParameter(str(error)) from error


def join(
    server: options.Server = None, root_certificates: options.RootCertificates = None,
    tls_server_name: options.TlsServerName = None, code: options.Join = None, name: options.Name = None,
    dataset: options.HeldDataset = None, partition: options.Partition = None, partitions: options.Partitions = None,
    data_path: options.DataPath = None,
    data: own.Data = None, target: own.Target = None, data_name: own.DataName = None, ignore: own.Ignore = None,
    category: own.Category = None, task: own.Task = None, image_size: own.ImageSize = DEFAULT_IMAGE_SIZE,
    share_statistics: own.ShareStatistics = False, min_rows: own.MinRows = DEFAULT_MIN_ROWS,
    identity: options.IdentityFile = None, rename: options.Rename = False, share_labels: options.ShareLabels = False,
    share_logs: options.ShareLogs = False, node_config: options.NodeConfig = "", app: options.App = None,
    end_with_stdin: options.EndWithStdin = False,
) -> None:  # fmt: skip
    """Connect to a Meadow server, train on local data, and send updates back. Stop with Ctrl-C."""
    joining = complete(code, server, root_certificates, name, dataset, partition, partitions)
    address = parse_server(joining.server)
    trust = server_trust(joining.server, joining.root_certificates, tls_server_name)
    _check_options(joining, node_config, app)
    others = {"--dataset": dataset, "--data-path": data_path, "--share-labels": share_labels}
    own_data = own.own_data_options(
        data, data_name, target, ignore, category, task, image_size, share_statistics, min_rows, others=others
    )
    node = {"partition-id": joining.partition, "num-partitions": joining.partitions, **own.node_values(own_data, app)}
    node |= parse_node_config(node_config)
    console = Console(stderr=True)
    recent_log = write_log_to(console, keep=share_logs)
    loaded, states = _identity_of(identity, joining.name, rename=rename)
    if app is not None:
        work = load_app(app, joining.dataset, node)
    elif own_data is not None:
        work = _own_work(own_data, joining.partition)
    else:
        work = _built_in_work(joining, path=data_path and expanded(data_path), share_labels=share_labels)
    part = "" if own_data is not None else ", partition {} of {}".format(*list(node.values())[:2])
    log.info("client %s: %s%s", loaded.name, app or work.data["dataset"], part)
    log.info("key %s", fingerprint(loaded.public_key))
    lines = recent_log.lines if recent_log is not None else None
    run = partial(_run, address, trust, loaded, work, node, lines, states, TaskConsole(console))
    raise typer.Exit(run(joining.secret, end_with_stdin=end_with_stdin))


def _run(
    address: tuple[str, int], trust: ServerTrust | None, identity: Identity, work: "Work", node: dict[str, Any],
    recent_log: Callable[[], list[str]] | None, states: Path, console: TaskConsole, code: str | None, *,
    end_with_stdin: bool,
) -> int:  # fmt: skip
    from federation.client.process import run_client
    from federation.client.tasks.executor import Executor
    from federation.client.tasks.run_states import StateFiles

    executor = Executor(work, node, recent_log, states=StateFiles(states) if "app" not in work.data else None)
    return asyncio.run(
        run_client(
            address, identity, executor, work.data, console, trust=trust, code=code, end_with_stdin=end_with_stdin
        )
    )


def server_trust(server: str, root_certificates: str | None, server_name: str | None) -> ServerTrust | None:
    """Return which server is trusted, as the options say it; None without TLS. Raises BadParameter."""
    if root_certificates is None and not server.startswith(HTTPS):
        return None
    try:
        return ServerTrust.parse(root_certificates, server_name)
    except BadRoots as error:
        raise typer.BadParameter(str(error)) from error


def _identity_of(path: Path | None, name: str | None, *, rename: bool) -> tuple[Identity, Path]:
    """Return the client's identity, and the folder beside its file for what it keeps over a restart."""
    try:
        file = expanded(path) if path is not None else default_path(name or _host_name())
        return Identity.load(file, name, _host_name(), rename=rename), file.with_suffix(".state")
    except BadIdentity as error:
        _fail(USAGE, str(error))


def _check_options(joining: Joining, node_config: str, app: str | None) -> None:
    name, partition, partitions = joining.name, joining.partition, joining.partitions
    if partition >= partitions:
        raise typer.BadParameter(f"partition {partition} of {partitions} does not exist: partitions count from 0")
    if name is not None and not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME_CHARACTERS:,} characters")
    if name is not None and not _is_text(name):
        raise typer.BadParameter(f"the name {name!r} is not UTF-8 text")
    if node_config and app is None:
        raise typer.BadParameter("--node-config needs --app; the built-in client takes --partition and --partitions")


def _built_in_work(joining: Joining, *, path: Path | None, share_labels: bool) -> "Work":
    from federation.learning.client_app import build_work
    from federation.learning.data.datasets import DataNotFound

    dataset, part = joining.dataset or "digits", (joining.partition, joining.partitions)
    try:
        return build_work(dataset, *part, path=path, share_labels=share_labels)
    except DataNotFound as error:
        _fail(NO_DATA, str(error))


def _own_work(own_data: own.OwnDataOptions, number: int) -> "Work":
    from federation.learning.data.own.refusals import BadData

    try:
        held = own_data.read()
    except BadData as error:
        _fail(NO_DATA, f"{own_data.path}: {error.whole}")
    from federation.learning.own_work import own_work

    return own_work(held, own_data.name_of(held), number)


def _is_text(argument: str) -> bool:
    """Say whether the bytes of an argument were UTF-8: others arrive as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _host_name() -> str:
    return socket.gethostname()[:MAX_NAME_CHARACTERS] or "client"


def _fail(code: int, sentence: str) -> NoReturn:
    log.error("%s", sentence)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line, without Flower's telemetry and TensorFlow's messages unless the environment sets them."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    open_standard_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    commands = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False
    )  # the pretty ones print local variables
    commands.command()(join)
    commands()


if __name__ == "__main__":
    main()
