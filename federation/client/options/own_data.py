"""The options of the command line for data of a client's own, and how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from federation.client.options.joining import expanded
from federation.learning.data.own.options import Options, Sharing
from federation.run.networks import Dataset, is_data_name
from federation.schema.columns import MAX_DATA_NAME_CHARACTERS, TaskKind

if TYPE_CHECKING:
    from federation.learning.data.own.own_data import OwnData

Data = Annotated[
    str | None,
    typer.Option(
        help="Your own data: a table (CSV, TSV, Parquet), an .npz with x and y, or a folder with a folder of JPEG or "
        "PNG images for each class.",
        metavar="FILE|FOLDER",
    ),
]
DataName = Annotated[
    str | None,
    typer.Option(help="Name by which runs ask for --data; default: table, arrays or images.", metavar="NAME"),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Column of the table that is predicted; its number where columns have no names.", metavar="COLUMN"
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of the table that is not used, or a pattern such as 'id_*'; repeatable.", metavar="COLUMN"
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(help="Column whose numbers are names of categories, or a pattern; repeatable.", metavar="COLUMN"),
]
Task = Annotated[
    TaskKind | None,
    typer.Option(help="What is predicted; default: classes for text and for few whole numbers, else numbers."),
]
ImageSize = Annotated[
    int, typer.Option(min=4, max=1024, help="Side in pixels of the squares that images are resized to.")
]
ShareStatistics = Annotated[
    bool,
    typer.Option(
        "--share-statistics",
        help="Report count, mean and squared deviations of each column and counts of categories to the server.",
    ),
]
MinRows = Annotated[int, typer.Option(min=1, help="No statistic of fewer rows is reported.")]


@dataclass(frozen=True)
class OwnDataOptions:
    """Which data of the client's own are read, and how. ``path`` may be a pattern where there are many clients."""

    path: str
    name: str | None
    options: Options
    sharing: Sharing

    def read(self, path: Path | None = None) -> "OwnData":
        """Read the data; raises BadData."""
        from federation.learning.data.own.own_data import read

        return read(path or Path(self.path), self.options, self.sharing)

    def name_of(self, data: "OwnData") -> str:
        """Return the name by which runs ask for the data."""
        return self.name or data.schema.form


def own_data_options(
    data: str | None, name: str | None, target: str | None, ignore: Sequence[str] | None,
    category: Sequence[str] | None, task: TaskKind | None, image_size: int, share_statistics: bool, min_rows: int,
    *, others: Mapping[str, object],
) -> OwnDataOptions | None:  # fmt: skip
    """Return what the options say; None without --data. Raises BadParameter.

    ``others`` says of options that do not go with --data whether they are given.
    """
    if data is None:
        given = {"--data-name": name, "--target": target, "--ignore": ignore, "--category": category, "--task": task,
                 "--share-statistics": share_statistics}  # fmt: skip
        if wrong := [option for option, value in given.items() if value]:
            raise typer.BadParameter(f"{wrong[0]} needs --data")
        return None
    if wrong := [option for option, is_given in others.items() if is_given]:
        raise typer.BadParameter(f"--data does not go with {wrong[0]}")
    if name is not None and not is_data_name(name):
        if name in get_args(Dataset):
            raise typer.BadParameter(f"--data-name {name} is the name of a dataset that Meadow knows: choose another")
        raise typer.BadParameter(
            f"--data-name has at most {MAX_DATA_NAME_CHARACTERS} letters, digits, dots, hyphens and underscores"
        )
    options = Options(target, tuple(ignore or ()), tuple(category or ()), task, image_size)
    return OwnDataOptions(str(expanded(Path(data))), name, options, Sharing(share_statistics, min_rows))


def node_values(own_data: OwnDataOptions | None, app: str | None) -> dict[str, str]:
    """Return what an app finds of own data in its node config: path and target, for it reads the data itself.

    Raises BadParameter for an option that says how Meadow reads data.
    """
    if own_data is None or app is None:
        return {}
    others = OwnDataOptions(own_data.path, None, Options(own_data.options.target), Sharing())
    if own_data != others:
        raise typer.BadParameter("an app reads its own data: of the options for --data it takes --target alone")
    target = {"target": own_data.options.target} if own_data.options.target is not None else {}
    return {"data": str(Path(own_data.path).resolve()), **target}
