"""What a client's hello says of it: versions of packages, facts about the machine, and the data that it holds."""

import importlib.metadata
import os
import platform
import secrets
import socket
from dataclasses import dataclass, field

from federation.protocol.descriptions import ClientKind
from federation.protocol.messages import PROTOCOL


@dataclass(frozen=True)
class ClientDescription:
    """Versions of packages, facts about the machine, and the data that the client holds.

    ``code`` is the secret of a join code, by which a server takes a key that it does not know.
    """

    versions: dict[str, str | int] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    data: dict[str, object] = field(default_factory=dict)
    kind: ClientKind = "client"
    code: str | None = None


def versions() -> dict[str, str | int]:
    """Return the versions of the protocol and of the packages that training depends on, without importing them."""
    found: dict[str, str | int] = {"protocol": PROTOCOL}
    for package in ("meadow", "flwr", "tensorflow", "keras", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def facts() -> dict[str, object]:
    """Return facts about the machine. ``process`` is another one at each start of the client."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "hostname": socket.gethostname(),
        "process": secrets.token_hex(8),
    }


def readable(data: dict[str, object]) -> dict[str, object]:
    """Return the data with texts that any JSON reader accepts: a path may hold bytes that are not UTF-8."""
    return {k: v.encode(errors="backslashreplace").decode() if isinstance(v, str) else v for k, v in data.items()}
