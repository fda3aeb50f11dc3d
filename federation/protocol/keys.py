"""Public keys of clients: their one spelling, and their fingerprints, by which people compare them."""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)

SHORT_BYTES, MAX_CHARACTERS = 4, 4000
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_ARMOUR = re.compile(r"-----[A-Z ]+-----|\s")


def fingerprint(public_key: str) -> str:
    """Return the SHA-256 of a key (PEM) as 32 pairs of hex digits, that of its DER: ``5f:3a:91:c0:…``.

    ``openssl pkey -pubin -in key.pem -outform DER | sha256sum`` says the same.
    """
    try:
        data = base64.b64decode(_ARMOUR.sub("", public_key), validate=True)
    except (ValueError, binascii.Error):  # a text that is no PEM is told from others all the same
        data = public_key.encode(errors="surrogatepass")
    return hashlib.sha256(data).digest().hex(":")


def short_fingerprint(public_key: str) -> str:
    """Return the beginning of the fingerprint, to be compared over the telephone: ``5f:3a:91:c0``."""
    return fingerprint(public_key)[: 3 * SHORT_BYTES - 1]


class BadKey(ValueError):
    """A text that is no public key of a client; the sentence says why."""


def parse_public_key(text: str) -> str:
    """Return a public key of a NIST curve, given as PEM or as a line of OpenSSH, in its one spelling; raises BadKey."""
    data = text.strip().encode(errors="replace")
    if b"PRIVATE KEY" in data:
        raise BadKey("This is a private key: it must not leave its machine. Paste the public key, often a file *.pub")
    try:
        key = (load_pem_public_key if data.startswith(b"-----") else load_ssh_public_key)(data[:MAX_CHARACTERS])
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("This is no public key: paste a whole PEM block, or a line that begins with ecdsa-sha2-") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, CURVES):
        raise BadKey("Flower's keys are of the elliptic curves P-256, P-384 or P-521: ssh-keygen -t ecdsa -b 384")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
