"""How a client that the dashboard starts on its own machine trusts the Flower server, for whatever name that is."""

from pathlib import Path
from typing import Any

from federation.protocol.tls.certificates import ServerTls


def trust_of(tls: ServerTls | None, host: str, folder: Path) -> dict[str, Any]:
    """Return the fields of a plan whose clients connect to ``host``; their root certificate is written to ``folder``.

    Raises OSError.
    """
    if tls is None:
        return {}
    roots, names = folder / "server.pem", tls.certificate.names
    roots.write_bytes(tls.trusted_pem)
    other_name = None if host in names or not names else min(names).replace("*", "demo")
    return {"tls": True, "root_certificates": str(roots), "tls_server_name": other_name}
