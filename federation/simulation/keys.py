"""The key pairs of virtual clients: each is derived from one secret and the client's name, and is stored nowhere."""

import fcntl
import hashlib
import logging
import re
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.client.identity import CURVE, BadIdentity, Identity, pem_of, write_private_file
from federation.protocol.addresses import format_address, is_loopback
from federation.simulation.plan import Plan

log = logging.getLogger(__name__)

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


def lock_keys(folder: Path, shares: Sequence[Plan]) -> AbstractContextManager[object]:
    """Lock the keys that successive host processes use at their server, until the context or this process ends.

    Each client is a byte of a lock file, so that several processes may each hold a share of one simulation. The names
    of this machine's loopback are one server. A folder that cannot be written, or whose file system has no locks, is
    used without. Raises BadIdentity where another process has the lock of any of the clients.
    """
    plan, first, last = shares[0], shares[0].members[0].number, shares[-1].members[-1].number
    server = format_address(plan.host, plan.port)
    locked = format_address("localhost", plan.port) if is_loopback(plan.host) else server
    hashed = hashlib.sha256(f"{locked} {plan.name_of(0)}".encode()).hexdigest()
    try:
        file = open(folder / f"{hashed[:16]}.lock", "ab")  # noqa: SIM115 (open until the context ends)
    except OSError as error:
        log.debug("the clients' keys in %s are not locked: %s", folder, error)
        return nullcontext()
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, last - first + 1, first)
    except (BlockingIOError, PermissionError) as error:
        file.close()
        raise BadIdentity(
            f"Another simulation with the name {plan.prefix!r} joins {server} with the same clients' keys, those of "
            f"{folder}. Stop it, or give this one another --name, or another folder with --identities."
        ) from error
    except OSError as error:
        log.debug("the clients' keys in %s are not locked: %s", folder, error)
    return file


def identity_of(secret: str, name: str) -> Identity:
    """Return the identity of the client with that name: the same for the same secret, on every machine."""
    derived = HKDF(hashes.SHA384(), DERIVED_BYTES, None, b"meadow client " + name.encode())
    number = int.from_bytes(derived.derive(bytes.fromhex(secret))) % (ORDER - 1) + 1
    return Identity(name, pem_of(ec.derive_private_key(number, CURVE)))
