"""``python -m federation.simulation``: virtual clients in a few processes, from the command line to the exit code."""

import os
import signal
import sys
import threading

import typer
from rich.console import Console

from federation.client import options
from federation.client.__main__ import parse_node_config, parse_server, server_trust
from federation.client.console import open_standard_streams, write_log_to
from federation.client.identity import BadIdentity, default_path
from federation.client.process import follow_stdin
from federation.protocol.messages import MAX_NAME_CHARACTERS
from federation.simulation import options as own
from federation.simulation.keys import load_secret
from federation.simulation.plan import MAX_CLIENTS, Member, Plan
from federation.simulation.processes import HostProcesses
from federation.simulation.slurm import script_of

MAX_PREFIX = MAX_NAME_CHARACTERS - 1 - len(str(MAX_CLIENTS))


def simulate(
    clients: own.ClientsOption, server: options.Server = None,
    root_certificates: options.RootCertificates = None, tls_server_name: options.TlsServerName = None,
    processes: own.ProcessesOption = 1,
    dataset: own.DatasetOption = None, data_path: own.DataPathOption = None, name: own.NameOption = "sim",
    identities: own.IdentitiesOption = None, share_labels: own.LabelsOption = False, share_logs: own.LogsOption = False,
    node_config: own.NodeConfigOption = "", app: own.AppOption = None, end_with_stdin: own.StdinOption = False,
    launcher: own.LauncherOption = "local", share: own.ShareOption = None,
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
    folder = (identities or default_path(name).parent / "simulation" / name).expanduser().resolve()
    try:
        secret = load_secret(folder)
    except BadIdentity as error:
        raise typer.BadParameter(str(error)) from error
    if launcher == "slurm":
        sys.stdout.write(script_of(sys.argv[1:], min(processes, clients), name, folder))
        return
    plan = Plan(
        host=host, port=port, tls=trust is not None, root_certificates=root_certificates,
        tls_server_name=tls_server_name, prefix=name, digits=len(str(clients)), partitions=clients, secret=secret,
        members=tuple(Member(number, number - 1) for number in range(1, clients + 1)),
        dataset=dataset, data_path=data_path and data_path.expanduser().resolve(), app=app,
        node_config=parse_node_config(node_config), share_labels=share_labels, share_logs=share_logs,
    )  # fmt: skip
    shares = plan.shares(processes)
    if share is not None and share >= len(shares):
        raise typer.BadParameter(f"there is no share {share:,} of {len(shares):,} processes: they count from 0")
    raise typer.Exit(_run(HostProcesses(shares if share is None else [shares[share]]), end_with_stdin=end_with_stdin))


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
