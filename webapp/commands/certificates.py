"""``python -m webapp certs``: makes a CA and a certificate for the server, or renews the certificate with the same CA.

Exit codes: 0 done, 1 a file cannot be read or written, 2 bad arguments.
"""

import argparse
import contextlib
import fcntl
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation.protocol.addresses import is_ip_address
from federation.protocol.tls.certificates import CertificateUnusable, names_of, read_chain
from federation.protocol.tls.fingerprints import sha256_of
from federation.weights.files import write_file
from webapp.certificates import AUTHORITY_FILE, AUTHORITY_KEY_FILE, SERVER_FILE
from webapp.commands import say
from webapp.settings import Settings, read_settings

AUTHORITY_DAYS, SERVER_DAYS = 3650, 397
"""Browsers accept no certificate of a server that is valid for much longer than a year."""

CLOCK_MARGIN = timedelta(days=1)
"""A certificate is valid a day before it is made: the clocks of clients may be behind."""

ALWAYS = ("localhost", "127.0.0.1", "::1")
SIOCGIFADDR = 0x8915
"""Linux: asks for the IPv4 address of a network interface."""

Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def main(arguments: Sequence[str]) -> int:
    """Make or renew; return the exit code."""
    given, rest = _parser().parse_known_args(arguments)
    try:
        settings = read_settings(rest)
        kept = _names_so_far(settings.tls_dir / SERVER_FILE)
        names = _names(given.host_names or (*kept, *_names_of_machine(settings)))
    except ValueError as error:
        return say(2, str(error))
    try:
        settings.tls_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, is_new = _authority(settings.tls_dir)
        certificate = _make_server(settings.tls_dir / SERVER_FILE, authority, names)
    except CertificateUnusable as error:
        return say(1, f"{error}. Delete the folder {settings.tls_dir} to begin anew with another CA.")
    except OSError as error:
        return say(1, f"{settings.tls_dir} cannot be written: {error.strerror}.")
    _tell(settings, authority[0], certificate, names, is_new=is_new)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m webapp certs", description="Make a CA and a certificate for the server, or renew the latter.",
        epilog="Other settings, such as --data-dir, are those of python -m webapp.",
    )  # fmt: skip
    parser.add_argument(
        "--host-name", action="append", dest="host_names", metavar="NAME",
        help="name or address by which browsers and clients reach the server; may be given again; default: the names "
        "so far, and the names and addresses of this machine",
    )  # fmt: skip
    return parser


def _names(given: Iterable[str]) -> list[x509.GeneralName]:
    """Return the names of a certificate, each once, loopback's among them; raises ValueError for one that is none."""
    names: dict[x509.GeneralName, None] = {}
    for name in (*given, *ALWAYS):
        bare = name.strip("[]").lower()
        try:
            one = x509.IPAddress(ipaddress.ip_address(bare)) if is_ip_address(bare) else x509.DNSName(_checked(bare))
        except ValueError as error:
            raise ValueError(f"--host-name: {name!r} is no host name or address, written without port") from error
        names[one] = None
    return list(names)


def _checked(name: str) -> str:
    name = name.encode("idna").decode()
    if not name or not all(c.isalnum() or c in "-._*" for c in name):
        raise ValueError("not a host name")
    return name


def _names_so_far(file: Path) -> list[str]:
    """Return the names of the certificate that is renewed, if there is one."""
    with contextlib.suppress(CertificateUnusable):
        return sorted(names_of(read_chain(file)[0]))
    return []


def _names_of_machine(settings: Settings) -> Iterator[str]:
    for host in (settings.host, settings.flower_host):
        if not (is_ip_address(host) and ipaddress.ip_address(host).is_unspecified):
            yield host
    for name in (socket.gethostname(), socket.getfqdn()):
        with contextlib.suppress(ValueError):
            yield _checked(name.lower())
    yield from _addresses_of_machine()


def _addresses_of_machine() -> Iterator[str]:
    """Yield the IPv4 address of each network interface, where the system tells it as Linux does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            request = struct.pack("256s", interface.encode()[:15])
            with contextlib.suppress(OSError):  # it has none
                yield socket.inet_ntoa(fcntl.ioctl(asking.fileno(), SIOCGIFADDR, request)[20:24])


def _authority(folder: Path) -> tuple[Authority, bool]:
    """Return the CA of the folder with its key, and whether it was made now; raises CertificateUnusable."""
    file, key_file = folder / AUTHORITY_FILE, folder / AUTHORITY_KEY_FILE
    if not file.exists() and not key_file.exists():
        return _make_authority(file, key_file), True
    certificate = read_chain(file)[0]
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except OSError as error:
        raise CertificateUnusable(f"{key_file}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(f"{key_file}: holds no private key (PEM)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CertificateUnusable(f"{key_file}: the key does not belong to the certificate in {file}")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise CertificateUnusable(f"{file}: the CA expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    return (certificate, key), False


def _make_authority(file: Path, key_file: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Meadow CA of {socket.gethostname()}"[:64])])
    builder = _builder(name, name, key.public_key(), AUTHORITY_DAYS)
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    write_file(key_file, _pem_of(key))
    write_file(file, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _make_server(file: Path, authority: Authority, names: list[x509.GeneralName]) -> x509.Certificate:
    """Write key, certificate and CA into one file, so that a dashboard that runs finds them to fit."""
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Meadow")])
    builder = _builder(subject, issuer.subject, key.public_key(), SERVER_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    write_file(file, _pem_of(key), certificate.public_bytes(pem), issuer.public_bytes(pem))
    return certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCK_MARGIN).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _tell(settings: Settings, authority: x509.Certificate, certificate: x509.Certificate,
          names: list[x509.GeneralName], *, is_new: bool) -> None:  # fmt: skip
    folder = settings.tls_dir
    follows = "Start the dashboard: it uses TLS." if is_new else "A dashboard that runs uses it within seconds."
    sys.stdout.write(
        f"CA         {folder / AUTHORITY_FILE}, {'new' if is_new else 'as before'}, "
        f"valid until {authority.not_valid_after_utc:%Y-%m-%d}\n"
        f"           sha256:{sha256_of(authority)}\n"
        f"Server     {folder / SERVER_FILE}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}\n"
        f"           {', '.join(str(name.value) for name in names)}\n"
        f"{follows} A client joins it by the CA's fingerprint:\n"
        f"python -m federation.client --server HOST:{settings.flower_port} "
        f"--root-certificates sha256:{sha256_of(authority)}\n"
        f"Clients and browsers trust it by {AUTHORITY_FILE}; keep the other files secret.\n"
    )
