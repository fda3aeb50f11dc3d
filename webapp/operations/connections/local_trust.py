"""How a client that the dashboard starts on its own machine trusts the Flower server, for whatever name that is."""

from pathlib import Path

from federation.protocol.tls.certificates import ServerTls


def trust_options(tls: ServerTls | None, host: str, folder: Path) -> list[str]:
    """Return options for a client that connects to ``host``; the certificate that it trusts is written to ``folder``.

    Raises OSError.
    """
    if tls is None:
        return []
    roots, names = folder / "server.pem", tls.certificate.names
    roots.write_bytes(tls.trusted_pem)
    other_name = [] if host in names or not names else ["--tls-server-name", min(names).replace("*", "demo")]
    return ["--root-certificates", str(roots), *other_name]
