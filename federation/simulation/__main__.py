"""``python -m federation.simulation``: virtual clients in a few processes, from the command line to the exit code."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import typer
from rich.console import Console

from federation.client.__main__ import parse_node_config, parse_server, server_trust
from federation.client.console import open_standard_streams, write_log_to
from federation.client.identity import BadIdentity, default_path
from federation.client.options import joining as options
from federation.client.options import own_data
from federation.client.process import call_at_end
from federation.learning.data.own.options import DEFAULT_IMAGE_SIZE, DEFAULT_MIN_ROWS
from federation.protocol.messages import MAX_NAME_CHARACTERS
from federation.simulation import options as own
from federation.simulation.keys import load_secret, lock_keys
from federation.simulation.launchers.gpus import NoGpu, on_gpus
from federation.simulation.launchers.ray_actors import HostActors, NoRay
from federation.simulation.launchers.slurm import script_of
from federation.simulation.plan import MAX_CLIENTS, STATES, Member, Plan
from federation.simulation.processes import HostProcesses

MAX_PREFIX = MAX_NAME_CHARACTERS - 1 - len(str(MAX_CLIENTS))


def simulate(
    clients: own.ClientsOption, server: options.Server = None,
    root_certificates: options.RootCertificates = None, tls_server_name: options.TlsServerName = None,
    processes: own.ProcessesOption = 1, dataset: options.HeldDataset = None, data_path: options.DataPath = None,
    data: own.DataOption = None, target: own_data.Target = None, data_name: own_data.DataName = None,
    ignore: own_data.Ignore = None, category: own_data.Category = None, task: own_data.Task = None,
    image_size: own_data.ImageSize = DEFAULT_IMAGE_SIZE, share_statistics: own_data.ShareStatistics = False,
    min_rows: own_data.MinRows = DEFAULT_MIN_ROWS, name: own.NameOption = "sim",
    identities: own.IdentitiesOption = None, share_labels: options.ShareLabels = False,
    share_logs: own.LogsOption = False, node_config: own.NodeConfigOption = "", app: options.App = None,
    end_with_stdin: options.EndWithStdin = False, launcher: own.LauncherOption = "local",
    share: own.ShareOption = None, ray_address: own.RayAddressOption = None, ray_cpus: own.RayCpusOption = 1.0,
    gpu_fraction: own.GpuFractionOption = None,
) -> None:  # fmt: skip
    """Hold many virtual clients, each with a key, a name and a partition of its own. Stop with Ctrl-C.

    A process takes about 650 MB once it trains, whatever the number of its clients. One that dies is started again.
    """
    host, port = parse_server(server := server or options.DEFAULT_SERVER)
    trust = server_trust(server, root_certificates, tls_server_name)
    others = {"--dataset": dataset, "--data-path": data_path, "--share-labels": share_labels}
    held = own_data.own_data_options(
        data, data_name, target, ignore, category, task, image_size, share_statistics, min_rows, others=others
    )
    folder, secret = _checked(name, identities, node_config=node_config, app=app)
    if launcher == "slurm":
        sys.stdout.write(script_of(sys.argv[1:], min(processes, clients), name, folder))
        return
    plan = Plan(
        host=host, port=port, tls=trust is not None, root_certificates=root_certificates,
        tls_server_name=tls_server_name, prefix=name, digits=len(str(clients)), partitions=clients, secret=secret,
        members=tuple(Member(number, number - 1) for number in range(1, clients + 1)),
        own_data=held if app is None else None, dataset=dataset, app=app, share_labels=share_labels,
        data_path=data_path and data_path.expanduser().resolve(), share_logs=share_logs, states=folder / STATES,
        node_config=own_data.node_values(held, app) | parse_node_config(node_config),
    )  # fmt: skip
    with _locked(folder, shares := _chosen(plan.shares(processes), share)):
        hosts = _hosts(shares, launcher, ray_address, ray_cpus, gpu_fraction)
        call_at_end(hosts.stop, end_with_stdin=end_with_stdin)
        raise typer.Exit(hosts.run())


def _checked(name: str, identities: Path | None, *, node_config: str, app: str | None) -> tuple[Path, str]:
    """Check the options; return the folder of the clients' keys and the secret in it."""
    if not 1 <= len(name) <= MAX_PREFIX or not name.isprintable() or "/" in name:
        raise typer.BadParameter(f"--name has 1 to {MAX_PREFIX} printable characters, none of them a /")
    if node_config and app is None:
        raise typer.BadParameter("--node-config needs --app")
    write_log_to(Console(stderr=True))
    folder = (identities or default_path(name).parent / "simulation" / name).expanduser().resolve()
    try:
        return folder, load_secret(folder)
    except BadIdentity as error:
        raise typer.BadParameter(str(error)) from error


def _chosen(shares: list[Plan], share: int | None) -> list[Plan]:
    if share is not None and share >= len(shares):
        raise typer.BadParameter(f"there is no share {share:,} of {len(shares):,} processes: they count from 0")
    return shares if share is None else [shares[share]]


def _locked(folder: Path, shares: list[Plan]) -> AbstractContextManager[object]:
    try:
        return lock_keys(folder, shares)
    except BadIdentity as error:
        raise typer.BadParameter(str(error)) from error


def _hosts(
    shares: list[Plan], launcher: own.Launcher, ray_address: str | None, cpus: float, gpu_fraction: float | None
) -> HostProcesses | HostActors:
    """Return the processes where the launcher runs them; raises BadParameter."""
    if ray_address is not None and launcher != "ray":
        raise typer.BadParameter("--ray-address needs --launcher ray")
    try:
        if launcher == "ray":
            return HostActors(shares, address=ray_address, cpus=cpus, gpu_fraction=gpu_fraction)
        if gpu_fraction is not None and not shares[0].trains_keras:
            raise typer.BadParameter("--gpu-fraction limits Meadow's own networks; for others it needs --launcher ray")
        return HostProcesses(on_gpus(shares, gpu_fraction) if gpu_fraction is not None else shares)
    except (NoGpu, NoRay) as error:
        raise typer.BadParameter(str(error)) from error


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    open_standard_streams()
    commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    commands.command()(simulate)
    commands()


if __name__ == "__main__":
    main()
