"""A CA of a test's own: it signs certificates with any name and any dates, and writes them as a server has them."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from federation.protocol.addresses import is_ip_address

PEM = serialization.Encoding.PEM


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """A CA; its certificate is in ``file``."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0), (-1, 90))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, file: str = "server.pem", host: str = "127.0.0.1", days: tuple[float, float] = (-1, 60)) -> Path:
        """Write key, certificate and CA into one file, and return its path; ``days`` from now on it is valid."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.IPAddress(ipaddress.ip_address(host)) if is_ip_address(host) else x509.DNSName(host)
        certificate = self._sign(x509.Name([]), key, x509.SubjectAlternativeName([name]), days)
        path = self._folder / file
        path.write_bytes(pem_of(key) + certificate.public_bytes(PEM) + self.certificate.public_bytes(PEM))
        return path

    def trusted(self) -> ssl.SSLContext:
        """Return a client's context that trusts this CA alone."""
        return ssl.create_default_context(cafile=self.file)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, what: x509.ExtensionType,
              days: tuple[float, float]) -> x509.Certificate:  # fmt: skip
        now, (begin, end) = datetime.now(UTC), days
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days=begin)).not_valid_after(now + timedelta(days=end))
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return builder.add_extension(what, critical=not isinstance(what, x509.SubjectAlternativeName)).sign(
            self._key, hashes.SHA256()
        )
