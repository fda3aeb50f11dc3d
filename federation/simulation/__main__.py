"""``python -m federation.simulation``: virtual clients in a few processes, from the command line to the exit code."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from federation.client import options
from federation.client.__main__ import parse_node_config, parse_server, server_trust
from federation.client.console import open_standard_streams, write_log_to
from federation.client.identity import BadIdentity, default_path
from federation.client.process import follow_stdin
from federation.protocol.messages import MAX_NAME_CHARACTERS
from federation.run.networks import Dataset
from federation.simulation.keys import load_secret
from federation.simulation.plan import MAX_CLIENTS, MAX_PROCESSES, Member, Plan
from federation.simulation.processes import HostProcesses

MAX_PREFIX = MAX_NAME_CHARACTERS - 1 - len(str(MAX_CLIENTS))


ClientsOption = Annotated[int, typer.Option(min=1, max=MAX_CLIENTS, help="Number of virtual clients.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, max=MAX_PROCESSES, help="Number of processes that share the clients.")
]
DatasetOption = Annotated[Dataset | None, typer.Option(help="Dataset; default: digits, or none with --app.")]
DataPathOption = Annotated[Path | None, typer.Option(help="File or folder that holds the dataset.")]
NameOption = Annotated[str, typer.Option(help="Begin of the clients' names: sim makes sim-001, sim-002 and so on.")]
IdentitiesOption = Annotated[
    Path | None, typer.Option(help="Folder with the secret of the clients' keys; created if missing.")
]
LabelsOption = Annotated[
    bool, typer.Option("--share-labels", help="Report the number of samples per label to the server.")
]
LogsOption = Annotated[
    bool, typer.Option("--share-logs", help="Send the last 200 log lines of the process when a task fails.")
]
NodeConfigOption = Annotated[str, typer.Option(help="More values of context.node_config for --app: 'site=\"north\"'.")]
AppOption = Annotated[
    str | None, typer.Option(help="Run this Flower ClientApp instead of the built-in client.", metavar="MODULE:APP")
]
StdinOption = Annotated[bool, typer.Option("--end-with-stdin", help="Exit when standard input is closed.")]


def simulate(
    clients: ClientsOption, server: options.Server = None,
    root_certificates: options.RootCertificates = None, tls_server_name: options.TlsServerName = None,
    processes: ProcessesOption = 1,
    dataset: DatasetOption = None, data_path: DataPathOption = None, name: NameOption = "sim",
    identities: IdentitiesOption = None, share_labels: LabelsOption = False, share_logs: LogsOption = False,
    node_config: NodeConfigOption = "", app: AppOption = None, end_with_stdin: StdinOption = False,
) -> None:  # fmt: skip
    """Hold many virtual clients, each with a key, a name and a partition of its own. Stop with Ctrl-C.

    A process takes about 650 MB once it trains, whatever the number of its clients. One that dies is started again.
    """
    server = server or options.DEFAULT_SERVER
    host, port = parse_server(server)
    trust = server_trust(server, root_certificates, tls_server_name)
    if not 1 <= len(name) <= MAX_PREFIX or not name.isprintable() or "/" in name:
        raise typer.BadParameter(f"--name has 1 to {MAX_PREFIX} printable characters, none of them a /")
    if node_config and app is None:
        raise typer.BadParameter("--node-config needs --app")
    write_log_to(Console(stderr=True))
    folder = identities or default_path(name).parent / "simulation" / name
    try:
        secret = load_secret(folder.expanduser().resolve())
    except BadIdentity as error:
        raise typer.BadParameter(str(error)) from error
    plan = Plan(
        host=host, port=port, tls=trust is not None, root_certificates=root_certificates,
        tls_server_name=tls_server_name, prefix=name, digits=len(str(clients)), partitions=clients, secret=secret,
        members=tuple(Member(number, number - 1) for number in range(1, clients + 1)),
        dataset=dataset, data_path=data_path and data_path.expanduser().resolve(), app=app,
        node_config=parse_node_config(node_config), share_labels=share_labels, share_logs=share_logs,
    )  # fmt: skip
    raise typer.Exit(_run(HostProcesses(plan.shares(processes)), end_with_stdin=end_with_stdin))


def _run(hosts: HostProcesses, *, end_with_stdin: bool) -> int:
    """Run the host processes until a signal or the end of standard input; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda *_: hosts.stop())
    if end_with_stdin:
        threading.Thread(target=follow_stdin, args=[hosts.stop], name="stdin", daemon=True).start()
    return hosts.run()


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    open_standard_streams()
    commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    commands.command()(simulate)
    commands()


if __name__ == "__main__":
    main()
