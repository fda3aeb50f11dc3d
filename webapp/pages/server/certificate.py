"""The TLS certificate on the Server page: where it is used, for which names, until when, and what is wrong with it."""

from datetime import UTC, datetime, timedelta

from federation.protocol.tls.certificates import ServerTls
from webapp.formatting import plural
from webapp.pages.server.blockers import Obstacle
from webapp.pages.wording import listed
from webapp.settings import Settings

WARNING = timedelta(days=30)
RENEW = "Renew it with python -m webapp certs, or the files that --tls-certificate names; no restart is needed."


def certificate_lines(settings: Settings, tls: ServerTls | None) -> list[tuple[str, str]]:
    """Return what the certificate is for, and by which fingerprint clients know its CA."""
    if tls is None:
        return [("TLS", "off")]
    where = "Flower server only" if settings.tls == "flower" else "dashboard and Flower server"
    names = listed(sorted(tls.certificate.names)) or "no name"
    lines = [("TLS", where), ("TLS certificate", f"for {names}, until {tls.certificate.expires:%Y-%m-%d}")]
    return [*lines, ("TLS certificate of the CA", f"sha256:{tls.authority_sha256}")] if tls.authority_sha256 else lines


def certificate_obstacles(tls: ServerTls | None) -> list[Obstacle]:
    """Return a warning 30 days before the certificate expires, and one where renewed files cannot be used."""
    if tls is None:
        return []
    left, found = tls.certificate.expires - datetime.now(UTC), []
    day = f"{tls.certificate.expires:%Y-%m-%d}"
    if left < timedelta(0):
        found.append(
            Obstacle("failed", f"The TLS certificate expired on {day}: clients and browsers refuse it. {RENEW}")
        )
    elif left < WARNING:
        found.append(
            Obstacle("waiting", f"The TLS certificate expires on {day}, in {plural(left.days, 'day')}. {RENEW}")
        )
    if tls.problem is not None:
        found.append(Obstacle("waiting", f"The renewed TLS certificate is not used: {tls.problem}."))
    return found
