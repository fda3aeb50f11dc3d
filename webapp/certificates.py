"""Which certificate the ports use: the one that is named, or the one that ``python -m webapp certs`` made."""

from federation.protocol.tls.certificates import CertificateUnusable, ServerTls
from federation.protocol.tls.proxies import ProxyCertificates
from webapp.settings import Settings

SERVER_FILE, AUTHORITY_FILE, AUTHORITY_KEY_FILE = "server.pem", "ca.pem", "ca-key.pem"
"""Files of the folder of certificates; that of the server holds its key, too, so that both are renewed at once."""


def server_tls(settings: Settings) -> ServerTls | None:
    """Return the certificate of the Flower port; None without TLS.

    Raises CertificateUnusable where there is one that cannot be used, a proxy's too.
    """
    proxy_certificates(settings)
    if settings.tls == "off":
        return None
    if settings.tls_certificate is not None:
        return ServerTls(settings.tls_certificate, settings.tls_key)
    if settings.tls_key is not None:
        raise CertificateUnusable("--tls-key needs --tls-certificate, the file with the certificate of that key")
    made = settings.tls_dir / SERVER_FILE
    if made.exists():
        return ServerTls(made)
    if settings.tls == "flower":
        raise CertificateUnusable("--tls flower needs a certificate: python -m webapp certs makes one")
    return None


def dashboard_tls(settings: Settings, tls: ServerTls | None) -> ServerTls | None:
    """Return the certificate of the dashboard's port, which has none where only the Flower port speaks TLS."""
    return None if settings.tls == "flower" else tls


def proxy_certificates(settings: Settings) -> ProxyCertificates | None:
    """Return the certificates of proxies that end TLS in front of the Flower port; raises CertificateUnusable."""
    return ProxyCertificates(settings.proxy_certificates) if settings.proxy_certificates is not None else None
