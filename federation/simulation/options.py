"""The options of ``python -m federation.simulation`` that a client has not, or has in other words."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from federation.simulation.plan import MAX_CLIENTS, MAX_PROCESSES

Launcher = Literal["local", "ray", "slurm"]

ClientsOption = Annotated[int, typer.Option(min=1, max=MAX_CLIENTS, help="Number of virtual clients.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, max=MAX_PROCESSES, help="Number of processes that share the clients.")
]
DataOption = Annotated[
    str | None,
    typer.Option(
        help="Your own data: a table, an .npz or a folder of images, divided among the clients; or a pattern such as "
        "'part-*.csv' with a file for each client.",
        metavar="FILE|FOLDER|PATTERN",
    ),
]
NameOption = Annotated[str, typer.Option(help="Begin of the clients' names: sim makes sim-001, sim-002 and so on.")]
IdentitiesOption = Annotated[
    Path | None, typer.Option(help="Folder with the secret of the clients' keys; created if missing.")
]
LogsOption = Annotated[
    bool, typer.Option("--share-logs", help="Send the last 200 log lines of the process when a task fails.")
]
NodeConfigOption = Annotated[str, typer.Option(help="More values of context.node_config for --app: 'site=\"north\"'.")]
LauncherOption = Annotated[
    Launcher,
    typer.Option(
        help="Where the processes run: on this machine, as Ray actors, or by the Slurm script that is printed."
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(help="Ray cluster for --launcher ray; default: a Ray that is started here.", metavar="HOST:PORT"),
]
RayCpusOption = Annotated[
    float, typer.Option(min=0, max=1024, help="CPUs that --launcher ray reserves for each process (num_cpus).")
]
GpuFractionOption = Annotated[
    float | None,
    typer.Option(min=0.001, max=1, help="Share of one GPU for each process: of its memory, and Ray's num_gpus."),
]
ShareOption = Annotated[
    int | None, typer.Option(min=0, max=MAX_PROCESSES - 1, help="Start only this one of the processes, from 0.")
]
