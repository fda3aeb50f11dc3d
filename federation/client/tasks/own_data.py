"""Data of a SuperNode's own, as its node config names them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.learning.client_app import Work
from federation.learning.data.own.options import DEFAULT_IMAGE_SIZE, DEFAULT_MIN_ROWS, Options, Sharing
from federation.run.networks import is_data_name
from federation.schema.columns import TaskKind


class BadNodeConfig(ValueError):
    """The SuperNode's ``--node-config`` cannot be used; the sentence says why."""


class OwnDataConfig(BaseModel):
    """The node config of a SuperNode with data of its own; columns are separated by commas."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"), coerce_numbers_to_str=True)

    data: str
    data_name: str | None = None
    target: str | None = None
    ignore: str = ""
    category: str = ""
    task: TaskKind | None = None
    image_size: Annotated[int, Field(ge=4, le=1024)] = DEFAULT_IMAGE_SIZE
    share_statistics: bool = False
    min_rows: Annotated[int, Field(ge=1)] = DEFAULT_MIN_ROWS

    @property
    def options(self) -> Options:
        """How the data are read."""
        return Options(self.target, _names(self.ignore), _names(self.category), self.task, self.image_size)


def own_work_of(node_config: Mapping[str, Any], number: int) -> Work:
    """Read the data and return the work; raises BadNodeConfig and BadData."""
    from federation.learning.data.own.own_data import read
    from federation.learning.own_work import own_work

    try:
        config = OwnDataConfig.model_validate(dict(node_config))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadNodeConfig(f"node config: {first['loc'][0]}: {first['msg']}") from None
    if config.data_name is not None and not is_data_name(config.data_name):
        raise BadNodeConfig("node config: data-name has letters, digits, dots, hyphens and underscores")
    data = read(Path(config.data).expanduser(), config.options, Sharing(config.share_statistics, config.min_rows))
    return own_work(data, config.data_name or data.schema.form, number)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
