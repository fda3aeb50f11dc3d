"""Fingerprints of certificates, and what a client's signature covers; server and clients compute both here."""

import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

CA_PATH = "/v1/ca.pem"
"""Where the Flower port gives the CA's certificate to anyone, so that a client with its fingerprint can check it."""

MAX_PEM_BYTES = 64 * 1024

SIGNED_PREFIX = b"meadow.1|"
BOUND_PREFIX = b"meadow.1+tls|"
"""No signature without TLS is one with TLS: a server chooses what follows ``SIGNED_PREFIX``."""


def sha256_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 (hex) of a certificate, as browsers and openssl show it, without colons."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def parse_fingerprint(text: str) -> str | None:
    """Return the 64 hex digits of a SHA-256 in lower case, written with or without colons; None if it is none."""
    digits = text.replace(":", "").lower()
    return digits if re.fullmatch(r"[0-9a-f]{64}", digits) else None


def signed_message(nonce: str, certificate: str | None) -> bytes:
    """Return what a hello signs: the nonce, and under TLS the SHA-256 (hex) of the server's certificate as well.

    Somebody who ends TLS between client and server shows the client another certificate: the server refuses what the
    client signs then.
    """
    if certificate is None:
        return SIGNED_PREFIX + nonce.encode()
    return BOUND_PREFIX + certificate.encode() + b"|" + nonce.encode()
