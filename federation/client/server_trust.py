"""Which server a client trusts under TLS; each fault of TLS has a sentence and an exit code of its own."""

import ssl
from enum import IntEnum
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from websockets.exceptions import InvalidStatus

from federation.protocol.addresses import format_address, is_loopback
from federation.protocol.tls.fingerprints import CA_PATH, MAX_PEM_BYTES, parse_fingerprint, sha256_of

FETCH_SECONDS = 5.0
UPGRADE_REQUIRED = 426


class TlsFault(IntEnum):
    """Why client and server agree on no TLS: the exit code of the client."""

    SERVER_SPEAKS_TLS = 12
    SERVER_SPEAKS_NO_TLS = 13
    WRONG_CA = 14
    EXPIRED = 15
    WRONG_NAME = 16


SPEAKS_TLS = (
    "the server speaks TLS: add --root-certificates with the certificate of its CA, or write https:// before its "
    "address if its CA is a public one"
)
SPEAKS_NO_TLS = "the server speaks no TLS: remove https:// and --root-certificates, or turn TLS on at the server"
WRONG_CA = (
    "the server's certificate is not signed by a CA that this client trusts: name the right CA with "
    "--root-certificates"
)  # fmt: skip
OTHER_CA = (
    "the server's CA does not have the fingerprint sha256:{}: it has another CA by now, or another machine answers. "
    "Get the fingerprint from the dashboard again"
)
EXPIRED = "the server's certificate has expired: renew it at the server; or this machine's clock is wrong"
NOT_YET_VALID = "the server's certificate is not valid yet: one of the two clocks is wrong"
WRONG_NAME = (
    "the server's certificate is for another host name: use a name that it has, or add this one with python -m webapp "
    "certs --host-name at the server"
)
VERIFICATION = {
    9: (TlsFault.EXPIRED, NOT_YET_VALID), 10: (TlsFault.EXPIRED, EXPIRED),
    62: (TlsFault.WRONG_NAME, WRONG_NAME), 64: (TlsFault.WRONG_NAME, WRONG_NAME),
}  # fmt: skip
"""By OpenSSL's number of what it found wrong."""
NO_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
"""OpenSSL's words for an answer that is no TLS; which of them depends on its version."""


class NotTrusted(Exception):
    """Client and server agree on no TLS, or the client does not trust the server. The sentence says what to do."""

    def __init__(self, fault: TlsFault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class BadRoots(Exception):
    """What was given as the CA's certificate is none; the sentence says why."""


class ServerTrust:
    """The CA that signs the server's certificate: of a file, of a fingerprint, or any that the system trusts.

    The certificate of a fingerprint is fetched from the server and checked, before anything else is sent.
    ``server_name`` is the host name or address in the server's certificate, where the client connects to another one.
    """

    def __init__(
        self, *, roots: Path | None = None, fingerprint: str | None = None, server_name: str | None = None
    ) -> None:
        self.server_name = server_name
        self._fingerprint = fingerprint
        self._context = None if fingerprint is not None else _context_of(roots)

    @classmethod
    def parse(cls, text: str | None, server_name: str | None = None) -> "ServerTrust":
        """Read ``--root-certificates``: a file, ``sha256:HEX``, or None for the system's; raises BadRoots."""
        if text is not None and text.startswith("sha256:"):
            fingerprint = parse_fingerprint(text.removeprefix("sha256:"))
            if fingerprint is None:
                raise BadRoots(f"{text!r} is no SHA-256 fingerprint: it has 64 hex digits")
            return cls(fingerprint=fingerprint, server_name=server_name)
        return cls(roots=Path(text).expanduser() if text is not None else None, server_name=server_name)

    def context(self, host: str, port: int) -> ssl.SSLContext:
        """Return the context for a connection to the server; raises as ``fetch_authority``."""
        if self._context is None:
            assert self._fingerprint is not None
            pem = fetch_authority(host, port, self._fingerprint)
            self._context = _ready(ssl.create_default_context(cadata=pem))
        return self._context


def _context_of(roots: Path | None) -> ssl.SSLContext:
    try:
        return _ready(ssl.create_default_context(cafile=roots))
    except ssl.SSLError as error:
        raise BadRoots(f"{roots} holds no certificate (PEM)") from error
    except OSError as error:
        raise BadRoots(f"{roots}: {(error.strerror or str(error)).lower()}") from error


def _ready(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let any certificate of a chain vouch for it, the server's own, too."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def fetch_authority(host: str, port: int, fingerprint: str) -> str:
    """Return the CA's certificate (PEM) of a server, if its SHA-256 (hex) is ``fingerprint``. Nothing else is sent.

    Raises
    ------
    NotTrusted
        When the server gives another certificate or none.
    OSError, http.client.HTTPException
        When the server does not answer now, or speaks no TLS.
    """
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # what comes is checked by its fingerprint
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    opener = OpenerDirector()  # it follows no redirect
    for handler in (ProxyHandler({} if is_loopback(host) else None), HTTPSHandler(context=anyone)):
        opener.add_handler(handler)
    with opener.open(f"https://{format_address(host, port)}{CA_PATH}", timeout=FETCH_SECONDS) as answer:
        body, status = answer.read(MAX_PEM_BYTES), answer.status
    try:
        certificate = x509.load_pem_x509_certificate(body)
    except ValueError:
        sentence = f"the server gives no CA certificate at {CA_PATH} (HTTP {status}): name one with --root-certificates"
        raise NotTrusted(TlsFault.WRONG_CA, sentence) from None
    if sha256_of(certificate) != fingerprint:
        raise NotTrusted(TlsFault.WRONG_CA, OTHER_CA.format(fingerprint))
    return certificate.public_bytes(Encoding.PEM).decode()


def tls_fault(error: Exception) -> NotTrusted | None:
    """Return what an attempt to connect says of TLS; None where it failed for another reason."""
    cause = error.reason if isinstance(error, URLError) else error
    match cause:
        case NotTrusted():
            return cause
        case InvalidStatus() if cause.response.status_code == UPGRADE_REQUIRED:
            return NotTrusted(TlsFault.SERVER_SPEAKS_TLS, SPEAKS_TLS)
        case ssl.SSLCertVerificationError():
            return NotTrusted(*VERIFICATION.get(cause.verify_code, (TlsFault.WRONG_CA, WRONG_CA)))
        case ssl.SSLError() if cause.reason in NO_TLS:
            return NotTrusted(TlsFault.SERVER_SPEAKS_NO_TLS, SPEAKS_NO_TLS)
    return None
