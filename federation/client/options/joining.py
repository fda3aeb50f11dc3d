"""The options of the client's command line, and how a join code fills in those that are not given."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from federation.protocol.join_code import MAX_CHARACTERS, BadJoinCode, JoinCode
from federation.run.networks import Dataset

DEFAULT_SERVER, DEFAULT_PARTITIONS = "127.0.0.1:8080", 2

Server = Annotated[
    str | None,
    typer.Option(
        help=f"Address of the Flower server, https:// before it for TLS; default: {DEFAULT_SERVER}.",
        metavar="HOST:PORT",
    ),
]
RootCertificates = Annotated[
    str | None,
    typer.Option(
        help="CA of the server, for TLS: a file (PEM), or sha256:HEX, its fingerprint; default: the system's CAs.",
        metavar="FILE",
    ),
]
TlsServerName = Annotated[
    str | None,
    typer.Option(help="Host name in the server's certificate, where the address is another.", metavar="NAME"),
]
Join = Annotated[
    str | None,
    typer.Option("--join", help="Join code from the dashboard; - reads it from standard input.", metavar="CODE"),
]
Name = Annotated[str | None, typer.Option(help="Client name on the dashboard; default: the host name.")]
HeldDataset = Annotated[Dataset | None, typer.Option(help="Dataset; default: digits, or none with --app.")]
Partition = Annotated[int | None, typer.Option(min=0, help="Index of the client's partition, from 0; default: 0.")]
Partitions = Annotated[int | None, typer.Option(min=1, help=f"Number of partitions; default: {DEFAULT_PARTITIONS}.")]
DataPath = Annotated[Path | None, typer.Option(help="File or folder that holds the dataset.")]
IdentityFile = Annotated[Path | None, typer.Option(help="File with the key pair and the name; created if missing.")]
Rename = Annotated[bool, typer.Option("--rename", help="Change the name in the identity file to --name.")]
ShareLabels = Annotated[
    bool, typer.Option("--share-labels", help="Report the number of samples per label to the server.")
]
ShareLogs = Annotated[
    bool, typer.Option("--share-logs", help="Send the last 200 log lines to the server when a task fails.")
]
NodeConfig = Annotated[
    str, typer.Option(help="Values of context.node_config for --app: 'partition-id=0 num-partitions=2'.")
]
App = Annotated[
    str | None, typer.Option(help="Run this Flower ClientApp instead of the built-in client.", metavar="MODULE:APP")
]
EndWithStdin = Annotated[bool, typer.Option("--end-with-stdin", help="Exit when standard input is closed.")]


@dataclass(frozen=True, slots=True)
class Joining:
    """Where a client connects, as whom, and what it holds. ``secret`` is the join code's, None without one."""

    server: str
    root_certificates: str | None
    name: str | None
    dataset: Dataset | None
    partition: int
    partitions: int
    secret: str | None = None


def complete(
    join: str | None, server: str | None, root_certificates: str | None, name: str | None, dataset: Dataset | None,
    partition: int | None, partitions: int | None,
) -> Joining:  # fmt: skip
    """Return the options with what a join code says where they are not given, else with their defaults.

    A ``join`` of "-" is read from standard input. Raises BadParameter.
    """
    code = _read(join) if join is not None else None
    if code is not None:
        server, name, dataset = server or code.server, name or code.name, dataset or _dataset_of(code)
        if root_certificates is None and code.fingerprint is not None:
            root_certificates = f"sha256:{code.fingerprint}"
        if partition is None and partitions is None:
            partition, partitions = code.partition, code.partitions
    return Joining(
        server or DEFAULT_SERVER, root_certificates, name, dataset, partition or 0,
        DEFAULT_PARTITIONS if partitions is None else partitions, code.secret if code else None,
    )  # fmt: skip


def _read(text: str) -> JoinCode:
    try:
        return JoinCode.decode(_first_line() if text == "-" else text)
    except BadJoinCode as error:
        raise typer.BadParameter(f"--join: {error}") from None


def _dataset_of(code: JoinCode) -> Dataset | None:
    if code.dataset is not None and code.dataset not in get_args(Dataset):
        raise typer.BadParameter(f"--join: the code is for the dataset {code.dataset}, which this Meadow does not know")
    return cast(Dataset | None, code.dataset)


def _first_line() -> str:
    """Return the first line of standard input; what follows is left to others, byte by byte."""
    line = b""
    while len(line) <= MAX_CHARACTERS and (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def expanded(path: Path) -> Path:
    """Return the path with the home directory in place of ~, which a shell leaves alone after a =."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise typer.BadParameter(f"{path}: there is no such home directory; write the whole path, without ~") from error
