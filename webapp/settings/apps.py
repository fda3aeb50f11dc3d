"""The settings of Flower Apps."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

NAMED = re.compile(r"([A-Za-z0-9][\w.-]{0,39})=([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::[A-Za-z_]\w*)?)")


def named_modules(text: str) -> dict[str, str]:
    """Return the modules in a text such as ``digits=examples.sklearn_app:app``, by name; raises ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = NAMED.fullmatch(part)
        if match is None or match[1] in found:
            raise ValueError(
                f"{part!r} is not a name with a module, such as digits=examples.sklearn_app:app, or there twice"
            )
        found[match[1]] = match[2]
    return found


class AppSettings(BaseSettings):
    """Whether Flower Apps may run, what one may use at the server, and whether the flwr command is answered."""

    apps: bool = Field(
        False,
        description="Allow Flower Apps, whose code runs on this machine and on SuperNodes: operators upload them, "
        "admins approve them.",
    )
    app_disk_megabytes: int = Field(1024, ge=1, description="Disk that a run of a Flower App may use at the server.")
    app_memory_megabytes: int | None = Field(
        None, ge=1, description="Memory that it may use at the server; default: half of the machine's."
    )
    app_processes: int = Field(200, ge=1, description="Number of processes that it may have at the server.")
    app_clients: str = Field(
        "",
        description="Apps that simulated clients may run, as names with modules: digits=examples.sklearn_app:app, "
        "separated by commas. Pages start clients of these by name, and of no others.",
    )
    app_client_data: Path | None = Field(
        None, description="Folder of data that pages may give to clients of such an app."
    )
    flwr_cli: bool = Field(
        False, description="Answer flwr login, run, ls, log and stop on the dashboard's port; needs --apps."
    )

    @field_validator("app_clients")
    @classmethod
    def _check_app_clients(cls, value: str) -> str:
        named_modules(value)
        return value

    @property
    def app_client_modules(self) -> dict[str, str]:
        """The modules of ``app_clients`` by name."""
        return named_modules(self.app_clients)

    @model_validator(mode="after")
    def _check_flwr_cli(self) -> Self:
        if self.flwr_cli and not self.apps:
            raise ValueError("--flwr-cli needs --apps")
        return self
