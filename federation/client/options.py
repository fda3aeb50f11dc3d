"""The options of the client's command line."""

from pathlib import Path
from typing import Annotated

import typer

from federation.run.networks import Dataset

Server = Annotated[
    str, typer.Option(help="Address of the Flower server; https:// before it for TLS.", metavar="HOST:PORT")
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
Name = Annotated[str | None, typer.Option(help="Client name on the dashboard; default: the host name.")]
HeldDataset = Annotated[Dataset | None, typer.Option(help="Dataset; default: digits, or none with --app.")]
Partition = Annotated[int, typer.Option(min=0, help="Index of the client's partition, from 0.")]
Partitions = Annotated[int, typer.Option(min=1, help="Number of partitions.")]
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
