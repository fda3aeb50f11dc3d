"""Signs the FABs that SuperNodes fetch: one that was started with ``--trusted-entities`` runs no others."""

import base64
import hashlib
import json
import logging
import time
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from federation.flwr_internals import create_message_to_sign

log = logging.getLogger(__name__)

LICENCE = {"valid_license": "Valid"}
"""Without it a SuperNode takes the server for one that knows no signatures."""


class FabSigner:
    """A key of this server, kept in a file of mode 0600; made where there is none yet."""

    def __init__(self, file: Path) -> None:
        self._key = _load(file) if file.exists() else _make(file)
        raw = self._key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self._name, self._public = f"meadow-{hashlib.sha256(raw).hexdigest()[:8]}", raw.decode("ascii")

    @property
    def entity(self) -> str:
        """The line of a SuperNode's file of trusted entities that names this server's key."""
        return f"{self._name}: {self._public}"

    def verifications(self, fab: bytes) -> dict[str, str]:
        """Return what Flower keeps beside a FAB: who has signed its hash, and when."""
        signed_at = int(time.time())
        signature = self._key.sign(create_message_to_sign(hashlib.sha256(fab).digest(), signed_at))
        said = {"signature": base64.urlsafe_b64encode(signature).decode("ascii"), "signed_at": signed_at}
        return {**LICENCE, self._name: json.dumps(said)}


def _load(file: Path) -> Ed25519PrivateKey:
    with suppress(ValueError, TypeError):
        key = load_pem_private_key(file.read_bytes(), None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    log.warning("%s holds no Ed25519 key: another one is made, which SuperNodes have to trust anew", file)
    return _make(file)


def _make(file: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    part.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    part.rename(file)
    return key
