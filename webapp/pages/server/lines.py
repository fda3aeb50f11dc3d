"""What a page says of the server itself."""

from importlib.metadata import version

from federation.protocol.addresses import format_address
from webapp.parts import Parts


def server_lines(parts: Parts, here: str) -> list[tuple[str, str]]:
    """Return what the empty home page says of the server; ``here`` is the address that the reader uses."""
    return [
        ("Flower server", f"{'https://' if parts.tls else ''}{format_address(*parts.flower_address)}"),
        ("Dashboard", here),
        ("Admission", parts.settings.admission_rule),
        ("Connections", str(len(parts.flower.live_clients()))),
        ("flwr", version("flwr")),
    ]
