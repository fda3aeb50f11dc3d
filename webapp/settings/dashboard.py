"""All settings of the dashboard and the Flower server, and all paths."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from federation.protocol.addresses import (
    Network,
    check_networks,
    check_public_url,
    check_root_path,
    is_loopback,
    parse_networks,
)
from webapp.settings.apps import AppSettings
from webapp.settings.openid import OpenIdSettings
from webapp.settings.tracking import TrackingSettings

Admission = Literal["open", "code", "approve"]
Tls = Literal["auto", "flower", "off"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
SmtpSecurity = Literal["starttls", "tls", "none"]


class Settings(AppSettings, TrackingSettings, OpenIdSettings):
    """Run the dashboard and the Flower server. A flag wins over its environment variable, MEADOW_ and its name.
    `python -m webapp db --help` tells of backups and upgrades of the database, `audit --help` of the audit log,
    `certs --help` of certificates for TLS.
    """

    model_config = SettingsConfigDict(
        env_prefix="MEADOW_", frozen=True, extra="forbid", cli_prog_name="python -m webapp",
        cli_kebab_case=True, cli_implicit_flags=True, cli_hide_none_type=True, cli_avoid_json=True,
    )  # fmt: skip

    host: str = Field("127.0.0.1", description="Address the dashboard listens on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port of the dashboard; 0 picks a free port.")
    flower_host: str = Field("127.0.0.1", description="Address the Flower server listens on for clients.")
    flower_port: int = Field(8080, ge=0, le=65_535, description="Port of the Flower server; 0 picks a free port.")
    data_dir: Path = Field(Path("data"), description="Folder for the database, client keys and checkpoints.")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the database; default: SQLite in the data directory."
    )
    public_url: str = Field(
        "", description="Address of the dashboard behind a proxy that speaks TLS, such as https://lab.example/meadow."
    )
    admin_password_file: Path | None = Field(
        None, description="File with the password of the account admin, created at a start without accounts."
    )
    tls: Tls = Field(
        "auto",
        description="TLS with the certificate that is named or that `python -m webapp certs` made: auto on both ports, "
        "flower on the clients' alone, off on none.",
    )
    tls_certificate: Path | None = Field(
        None, description="File with the server's certificate and its chain (PEM); default: that of the data directory."
    )
    tls_key: Path | None = Field(
        None, description="File with the key of the certificate (PEM); default: the file of the certificate."
    )
    proxy_certificates: Path | None = Field(
        None,
        description="File with the certificates (PEM) of proxies that end TLS in front of the Flower port; clients "
        "sign for the certificate that they see.",
    )
    admission: Admission | None = Field(
        None,
        description="New clients: open admits all, code those with a join code from the dashboard, approve those "
        "that a person approves; default: open while the Flower port is bound to loopback, else code.",
    )
    max_pending: int = Field(
        1000, ge=1, description="Maximum number of clients pending approval, a tenth of them from one address."
    )
    allowed_hosts: str = Field("", description="Additional host names for opening the dashboard, separated by commas.")
    root_path: str = Field(
        "", description="Path of the dashboard behind a proxy, removed by it or not; default: that of --public-url."
    )
    trusted_proxies: str = Field(
        "", description="Proxies whose X-Forwarded-For counts: addresses or networks; with --public-url this machine."
    )
    max_reply_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1,
        description="Maximum update size in bytes; a larger update is rejected before it is sent.",
    )
    reply_budget_bytes: int = Field(
        256_000_000,
        ge=1,
        description="In-flight update budget: bytes of updates received at the same time; one is always admitted.",
    )
    keep_checkpoints: int = Field(2, ge=1, description="Number of latest checkpoints kept per run.")
    keep_runs: int | None = Field(
        None, ge=1, description="Keep checkpoints and events of this many ended runs, the newest; default: of all."
    )
    keep_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Keep checkpoints and events of ended runs for this many days; default: always.",
    )
    best_metric: str = Field(
        "evaluate_accuracy",
        pattern=r"^(train|evaluate|server)_.+$",
        description="Metric for the best checkpoint, which is kept as well if its direction is known. One that begins "
        "with server_ counts in runs that the server evaluates; in others that of the clients.",
    )
    parallel_runs: int = Field(
        1, ge=1, le=16, description="Maximum number of active runs; several run at a time where their clients differ."
    )
    auto_resume: bool = Field(
        False,
        description="At startup, resume interrupted runs and start the queue; a paused run stays paused. "
        "Experiments continue without it.",
    )
    demo_clients: int = Field(
        1000, ge=0, le=10_000, description="Maximum number of simulated clients on this machine; 0 disables them."
    )
    log_level: LogLevel = Field("info", description="Log level: the lowest level that is logged.")
    log_format: LogFormat = Field("console", description="Log format: lines of text, or a JSON object a line.")
    notify_wait_seconds: int = Field(
        600, ge=1, description="Send notifications of a run that waits for longer than this many seconds."
    )
    allow_private_webhooks: bool = Field(
        False, description="Allow webhooks to loopback, link-local and private addresses."
    )
    smtp_host: str = Field("", description="SMTP server for notifications by e-mail.")
    smtp_port: int = Field(587, ge=1, le=65_535, description="Port of the SMTP server.")
    smtp_security: SmtpSecurity = Field("starttls", description="Encryption of the connection to the SMTP server.")
    smtp_user: str = Field("", description="User name for the SMTP server.")
    smtp_password_file: Path | None = Field(None, description="File with the password for the SMTP server.")
    smtp_from: str = Field("", description="Sender of notifications by e-mail; default: meadow@ and the SMTP server.")

    @field_validator("smtp_from")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if value and not MAILBOX.fullmatch(value):
            raise ValueError("must be an e-mail address")
        return value

    _public_url = field_validator("public_url")(check_public_url)
    _root_path = field_validator("root_path")(check_root_path)
    _trusted_proxies = field_validator("trusted_proxies")(check_networks)

    @field_validator("host", "flower_host")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must be an address or a host name")
        return value.strip()

    @field_validator(
        "data_dir",
        "admin_password_file",
        "smtp_password_file",
        "mlflow_token_file",
        "tensorboard_dir",
        "app_client_data",
    )
    @classmethod
    def _expand_home(cls, value: Path | None) -> Path | None:
        """Shells leave the tilde of ``--data-dir=~/meadow`` and of quoted text alone."""
        if value is None:
            return None
        try:
            value.resolve().as_posix().encode()
            return value.expanduser()
        except UnicodeEncodeError as error:
            raise ValueError("the name of the folder must be UTF-8 text") from error
        except RuntimeError as error:
            raise ValueError(f"{value}: {error} Write the whole path, without ~") from error

    @field_validator("allowed_hosts")
    @classmethod
    def _check_names(cls, value: str) -> str:
        for name in value.split(","):
            if re.fullmatch(r"(\[.*\]|[^:]+):\d+", name.strip()):
                raise ValueError(f"{name.strip()}: write the host name without a port")
        return value

    @property
    def admission_rule(self) -> Admission:
        """Which new clients are admitted."""
        return self.admission or ("open" if is_loopback(self.flower_host) and not self.proxies else "code")

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
    def apps_dir(self) -> Path:
        """Holds the FABs of uploaded Flower Apps."""
        return self.data_dir / "apps"

    @property
    def demo_dir(self) -> Path:
        """The secret of the simulated clients' keys, and the logs of their processes."""
        return self.data_dir / "demo"

    @property
    def tls_dir(self) -> Path:
        """Holds the CA and the certificate that `python -m webapp certs` makes."""
        return self.data_dir / "tls"

    @property
    def lock_file(self) -> Path:
        """Locked by the one dashboard that uses the data directory."""
        return self.data_dir / "meadow.lock"

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of ``trusted_proxies``."""
        return parse_networks(self.trusted_proxies or ("127.0.0.1, ::1" if self.public_url else ""))

    @property
    def root(self) -> str:
        """The path of the dashboard behind a proxy: empty, or with a slash at its beginning alone."""
        return self.root_path or urlsplit(self.public_url).path

    @property
    def extra_hosts(self) -> frozenset[str]:
        """The names of ``allowed_hosts`` and ``public_url``, lower case, without blanks."""
        names = (*self.allowed_hosts.split(","), urlsplit(self.public_url).hostname or "")
        return frozenset(name for part in names if (name := part.strip().lower()))
