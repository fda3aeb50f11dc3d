"""What a page says of the server itself."""

from dataclasses import dataclass
from importlib.metadata import version

from webapp.parts import Parts


@dataclass(frozen=True, slots=True)
class ServerLines:
    """Whether clients can connect, and the lines below that."""

    ready: bool
    lines: list[tuple[str, str]]


def server_lines(parts: Parts) -> ServerLines:
    """Return what the empty home page says of the server."""
    host, port = parts.flower_address
    lines = [
        ("Clients join at", f"{host}:{port}"),
        ("New clients", "take part at once" if parts.settings.admission == "open" else "wait for approval"),
        ("Connections", str(len(parts.flower.live_clients()))),
        ("flwr", version("flwr")),
    ]
    return ServerLines(parts.flower.is_running, lines)
