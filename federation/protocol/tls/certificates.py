"""The certificate of a server: read from files, checked, and read again when the files change."""

import asyncio
import logging
import os
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from federation.protocol.tls.fingerprints import sha256_of

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1024 * 1024

Version = tuple[tuple[int, int, int], ...]


class CertificateUnusable(ValueError):
    """A certificate or key cannot be used; the sentence names the file and says why."""


class ServerContext(ssl.SSLContext):
    """A TLS context that knows the SHA-256 (hex) of its certificate; a connection keeps the context it began with."""

    certificate_sha256 = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, ready to serve. ``authority`` ends the chain where the chain has a CA of its own."""

    context: ServerContext
    leaf: x509.Certificate
    authority: x509.Certificate | None
    names: frozenset[str]
    """Host names and addresses that it is for, in lower case."""

    @property
    def expires(self) -> datetime:
        """When the first of the two certificates expires."""
        return min(one.not_valid_after_utc for one in (self.leaf, self.authority) if one is not None)


class ServerTls:
    """The certificate of both ports; ``refresh`` takes renewed files. From any thread.

    Raises CertificateUnusable where the files cannot be used at the start; later the last good ones stay in use and
    ``problem`` says what is wrong with the new ones.
    """

    def __init__(self, certificate_file: Path, key_file: Path | None = None) -> None:
        self._files = (certificate_file, key_file or certificate_file)
        self._lock = threading.Lock()
        self._version = self._version_now()
        self.problem: str | None = None
        self.certificate = load_certificate(*self._files)

    @property
    def authority_sha256(self) -> str | None:
        """The SHA-256 (hex) of the CA's certificate; None where clients know the CA already, as a public one."""
        authority = self.certificate.authority
        return sha256_of(authority) if authority is not None else None

    @property
    def authority_pem(self) -> bytes | None:
        """The CA's certificate as PEM."""
        authority = self.certificate.authority
        return authority.public_bytes(Encoding.PEM) if authority is not None else None

    @property
    def trusted_pem(self) -> bytes:
        """What a client on this machine may trust: the CA's certificate, or else the server's own."""
        return self.authority_pem or self.certificate.leaf.public_bytes(Encoding.PEM)

    def refresh(self) -> None:
        """Read the files again if they have changed; connections that have begun keep their certificate."""
        with self._lock:
            version = self._version_now()
            if version == self._version:
                return
            self._version = version
            try:
                self.certificate, self.problem = load_certificate(*self._files), None
            except CertificateUnusable as error:
                self.problem = str(error)
                log.warning("the renewed TLS certificate is not used: %s", error)
            else:
                log.info("renewed the TLS certificate: it expires on %s", f"{self.certificate.expires:%Y-%m-%d}")

    def _version_now(self) -> Version:
        return tuple(version_of(file) for file in self._files)


def shown_certificate(transport: asyncio.BaseTransport) -> str | None:
    """Return the SHA-256 (hex) of the certificate that a connection began with; None without TLS."""
    context = transport.get_extra_info("sslcontext")
    return context.certificate_sha256 if isinstance(context, ServerContext) else None


def load_certificate(certificate_file: Path, key_file: Path) -> Certificate:
    """Read a chain (PEM, the server's own certificate first) and its key; raises CertificateUnusable."""
    chain = read_chain(certificate_file)
    now, leaf = datetime.now(UTC), chain[0]
    if leaf.not_valid_after_utc <= now:
        end = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
        renew = "renew it, with python -m webapp certs if that made it"
        raise CertificateUnusable(f"{certificate_file}: the certificate expired on {end}; {renew}")
    if leaf.not_valid_before_utc > now:
        begin = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise CertificateUnusable(f"{certificate_file}: the certificate is valid from {begin} on; is the clock right?")
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.certificate_sha256 = sha256_of(leaf)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate_file, key_file, lambda: _refuse_password(key_file))
    except OSError as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            sentence = f"{key_file}: the key does not belong to the certificate in {certificate_file}"
        elif isinstance(error, ssl.SSLError):
            sentence = f"{key_file}: holds no private key (PEM) that can be used"
        else:
            sentence = f"{key_file}: {(error.strerror or str(error)).lower()}"
        raise CertificateUnusable(sentence) from error
    return Certificate(context, leaf, _authority_of(chain), names_of(leaf))


def read_chain(file: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, at least one; raises CertificateUnusable."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES)
        return x509.load_pem_x509_certificates(data)
    except OSError as error:
        raise CertificateUnusable(f"{file}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise CertificateUnusable(f"{file}: holds no certificate (PEM)") from error


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the host names and addresses that a certificate is for, in lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    addresses = found.get_values_for_type(x509.IPAddress)
    return frozenset([*map(str.lower, found.get_values_for_type(x509.DNSName)), *map(str, addresses)])


def _authority_of(chain: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Return the last of a chain where it is signed by itself: nobody else vouches for it."""
    last = chain[-1]
    try:
        last.verify_directly_issued_by(last)
    except (ValueError, TypeError, InvalidSignature):
        return None
    return last


def _refuse_password(key_file: Path) -> NoReturn:
    raise CertificateUnusable(f"{key_file}: the key is encrypted; Meadow asks for no password: store it without one")


def version_of(file: Path) -> tuple[int, int, int]:
    """Return what changes with a file's content: zeros where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
