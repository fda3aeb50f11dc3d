"""Reads the settings of flags and environment, and says by which of them other machines reach this one.

``__main__`` reads them and passes them on.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from federation.protocol.addresses import is_loopback
from webapp.settings.dashboard import Settings


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings of flags and environment; raises ValueError with a sentence."""
    try:
        settings = Settings(_cli_parse_args=list(arguments))
    except ValidationError as error:
        raise ValueError("; ".join(map(_wrong, error.errors()))) from error
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return settings


def _wrong(error: Any) -> str:
    """Return the flag and what is wrong with it; a rule about several flags names them itself."""
    flag = "-".join(map(str, error["loc"])).replace("_", "-")
    return f"--{flag}: {error['msg']}" if flag else str(error["msg"]).removeprefix("Value error, ")


def reachable_by_others(settings: Settings) -> list[str]:
    """Return the flags, with their values, by which other machines reach the dashboard or the Flower server."""
    flags = (("host", settings.host), ("flower-host", settings.flower_host))
    found = [f"--{flag} {host}" for flag, host in flags if not is_loopback(host)]
    more = {"public-url": settings.public_url, "trusted-proxies": settings.trusted_proxies}
    if not all(map(is_loopback, settings.extra_hosts)):
        more["allowed-hosts"] = settings.allowed_hosts
    return found + [f"--{flag} {value}" for flag, value in more.items() if value]
