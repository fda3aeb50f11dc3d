"""What a page says of the server itself."""

from dataclasses import dataclass
from importlib.metadata import version

from federation.protocol.addresses import format_address
from webapp.parts import Parts


@dataclass(frozen=True, slots=True)
class ServerLines:
    """Whether clients can connect, the lines below that, and for how long the server has been up."""

    ready: bool
    lines: list[tuple[str, str]]
    uptime_seconds: float


def server_lines(parts: Parts, here: str) -> ServerLines:
    """Return what the empty home page says of the server; ``here`` is the address that the reader uses."""
    lines = [
        ("Flower server", f"{'https://' if parts.tls else ''}{format_address(*parts.flower_address)}"),
        ("Dashboard", here),
        ("Admission", parts.settings.admission_rule),
        ("Connections", str(len(parts.flower.live_clients()))),
        ("flwr", version("flwr")),
    ]
    return ServerLines(parts.flower.is_running, lines, parts.uptime_seconds)
