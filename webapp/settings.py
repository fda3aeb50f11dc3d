"""All settings of the dashboard and the Flower server, and all paths. ``__main__`` reads them and passes them on."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from federation.protocol.addresses import is_loopback

Admission = Literal["open", "approve"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """Flags of ``python -m webapp`` and, with the prefix ``MEADOW_``, environment variables; a flag wins."""

    model_config = SettingsConfigDict(
        env_prefix="MEADOW_", frozen=True, extra="forbid", cli_prog_name="python -m webapp",
        cli_kebab_case=True, cli_implicit_flags=True, cli_hide_none_type=True, cli_avoid_json=True,
    )  # fmt: skip

    host: str = Field("127.0.0.1", description="Address of the dashboard.")
    port: int = Field(8000, ge=0, le=65_535, description="Port of the dashboard; 0 takes a free one.")
    flower_host: str = Field("127.0.0.1", description="Address of the Flower server, which clients connect to.")
    flower_port: int = Field(8080, ge=0, le=65_535, description="Port of the Flower server; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Folder of database, keys of clients, and checkpoints.")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of another database; empty is SQLite in the data directory."
    )
    insecure_lan: bool = Field(
        False, description="Allow an address that other machines reach, although there are no passwords yet."
    )
    admission: Admission = Field(
        "open", description="What a new client meets: open lets it take part, approve makes it wait for a person."
    )
    allowed_hosts: str = Field(
        "", description="Further names under which browsers may open the dashboard, separated by commas."
    )
    max_reply_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="A reply with larger weights is refused before a byte of it is sent."
    )
    reply_budget_bytes: int = Field(
        256_000_000,
        ge=1,
        description="So many bytes of replies may be on their way at once; always at least one reply.",
    )
    keep_checkpoints: int = Field(2, ge=1, description="The weights of so many last rounds of a run are kept.")
    best_metric: str = Field(
        "evaluate_accuracy",
        pattern=r"^(train|evaluate)_.+$",
        description="The weights of the round that was best by this metric are kept, too; of a loss the least is best.",
    )
    auto_resume: bool = Field(
        False,
        description="At the start, go on with the run that the last process left, but for a paused one, and the queue.",
    )
    demo_clients: int = Field(
        4, ge=0, le=4, description="At most so many demo clients run on this machine at once; 0 allows none."
    )
    log_level: LogLevel = Field("info", description="The least of what is logged.")

    @field_validator("host", "flower_host")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must be an address or a host name")
        return value.strip()

    @field_validator("data_dir")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        """Shells leave the tilde of ``--data-dir=~/meadow`` and of quoted text alone."""
        try:
            value.resolve().as_posix().encode()
            return value.expanduser()
        except UnicodeEncodeError as error:
            raise ValueError("the name of the folder must be UTF-8 text") from error
        except RuntimeError as error:
            raise ValueError(f"{value}: {error} Please write the folder out, without ~") from error

    @field_validator("allowed_hosts")
    @classmethod
    def _check_names(cls, value: str) -> str:
        for name in value.split(","):
            if re.fullmatch(r"(\[.*\]|[^:]+):\d+", name.strip()):
                raise ValueError(f"{name.strip()}: names stand without a port")
        return value

    @property
    def sqlalchemy_url(self) -> str:
        """URL of the database. It may hold a password, so it is never logged."""
        if self.database_url is not None and self.database_url.get_secret_value():
            return self.database_url.get_secret_value()
        return f"sqlite:///{quote(str(self.data_dir.resolve() / 'meadow.db'))}"

    @property
    def runs_dir(self) -> Path:
        """Holds one folder per run, with its layout and checkpoints."""
        return self.data_dir / "runs"

    @property
    def flower_dir(self) -> Path:
        """Folder of the Flower server's own files."""
        return self.data_dir / "flower"

    @property
    def demo_dir(self) -> Path:
        """Keys and logs of the demo clients."""
        return self.data_dir / "demo"

    @property
    def lock_file(self) -> Path:
        """Locked by the one dashboard that uses the data directory."""
        return self.data_dir / "meadow.lock"

    @property
    def extra_hosts(self) -> frozenset[str]:
        """The names of ``allowed_hosts``, lower case, without blanks."""
        return frozenset(name for part in self.allowed_hosts.split(",") if (name := part.strip().lower()))


def reachable_by_others(settings: Settings) -> list[str]:
    """Return the flags, with their values, that bind an address which other machines can reach."""
    flags = (("host", settings.host), ("flower-host", settings.flower_host))
    return [f"--{flag} {host}" for flag, host in flags if not is_loopback(host)]


def asset(name: str) -> Path:
    """Return the folder of templates, static files or migrations, in a checkout and in an installed wheel alike."""
    packed = Path(__file__).parent / "assets" / name
    return packed if packed.is_dir() else Path(__file__).parent.parent / name
