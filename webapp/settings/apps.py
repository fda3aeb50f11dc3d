"""The settings of Flower Apps."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings


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
    flwr_cli: bool = Field(
        False, description="Answer flwr login, run, ls, log and stop on the dashboard's port; needs --apps."
    )

    @model_validator(mode="after")
    def _check_flwr_cli(self) -> Self:
        if self.flwr_cli and not self.apps:
            raise ValueError("--flwr-cli needs --apps")
        return self
