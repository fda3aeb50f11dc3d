"""The key pairs of virtual clients: each is derived from one secret and the client's name, and is stored nowhere."""

import re
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.client.identity import CURVE, BadIdentity, Identity, pem_of, write_private_file

SECRET = re.compile(r"[0-9a-f]{64}")
FILE = "secret"

ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)  # fmt: skip
"""Of the group of SECP384R1 (FIPS 186-4, D.1.2.4)."""

DERIVED_BYTES = 64
"""16 more than a key has, so that the remainder by ORDER is as good as even (FIPS 186-5, A.2.1)."""


def load_secret(folder: Path) -> str:
    """Return the secret of a folder, 64 hexadecimal digits; it is created if missing. Raises BadIdentity."""
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            write_private_file(file, secrets.token_hex(32), replace=False)
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is no text"
        raise BadIdentity(f"The secret of the clients' keys {file} cannot be used: {reason}.") from error
    if not SECRET.fullmatch(text):
        raise BadIdentity(f"{file} is not a secret of clients' keys. Delete it to create a new one.")
    return text


def identity_of(secret: str, name: str) -> Identity:
    """Return the identity of the client with that name: the same for the same secret, on every machine."""
    derived = HKDF(hashes.SHA384(), DERIVED_BYTES, None, b"meadow client " + name.encode())
    number = int.from_bytes(derived.derive(bytes.fromhex(secret))) % (ORDER - 1) + 1
    return Identity(name, pem_of(ec.derive_private_key(number, CURVE)))
