"""A client's identity: a key pair and a name in one file that only its owner can read."""

import base64
import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.protocol.messages import MAX_NAME_CHARACTERS
from federation.protocol.tls.fingerprints import signed_message

CURVE = ec.SECP384R1()

MAX_STEM_CHARACTERS = 48
"""Of four bytes each, they leave room for a hash and suffixes in the 255 bytes of a file's name."""


class BadIdentity(Exception):
    """The identity file cannot be used; the sentence says why and what to do."""


def default_path(name: str) -> Path:
    """Return the default path of the identity of that name; no two names have one path.

    A name that a file cannot have is replaced in part, and followed by a hash of the whole. Earlier releases had no
    hash: their file is kept where it holds this name.

    Raises
    ------
    BadIdentity
        When the user has no home directory, as a user id in a container that has no account.
    """
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise BadIdentity("This user has no home directory: name an identity file with --identity.") from error
    folder, safe = Path(state) / "meadow", "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    short = safe[:MAX_STEM_CHARACTERS]
    if short == name:
        return folder / f"{name}.json"
    if _has_name(earlier := folder / f"{safe or 'client'}.json", name):
        return earlier
    return folder / f"{short}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}.json"


def write_private_file(path: Path, text: str, *, replace: bool) -> None:
    """Write a file whole that only its owner can read; without ``replace`` the first of two processes wins."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _has_name(file: Path, name: str) -> bool:
    try:
        return bool(json.loads(file.read_text())["name"] == name)
    except (OSError, ValueError, KeyError, TypeError):  # there is no such file, or it is no identity
        return False


@dataclass(frozen=True)
class Identity:
    """A client's name and private key (SECP384R1, PEM)."""

    name: str
    private_key: str

    @classmethod
    def load(cls, path: Path, name: str | None, fallback_name: str, *, rename: bool = False) -> Self:
        """Read the identity in ``path``, or make one there with ``name`` or ``fallback_name``.

        A ``name`` replaces another one in the file where ``rename`` is set.

        Raises
        ------
        BadIdentity
            When the file cannot be read, written or understood, or holds another name.
        """
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                cls(name or fallback_name, pem_of(ec.generate_private_key(CURVE)))._write(path, replace=False)
            identity = cls._read(path)
            if name is not None and identity.name != name:
                if not rename:
                    raise BadIdentity(
                        f"The identity file {path} belongs to the client {identity.name!r}, not to {name!r}. Give each "
                        "client a file of its own with --identity, or add --rename to change the name of this client."
                    )
                identity = cls(name, identity.private_key)
                identity._write(path, replace=True)
        except OSError as error:
            reason = f"The identity file {path} cannot be used: {error.strerror}"
            raise BadIdentity(f"{reason}. Name another one with --identity.") from error
        return identity

    @classmethod
    def _read(cls, path: Path) -> Self:
        try:
            document = json.loads(path.read_text())
            identity = cls(str(document["name"])[:MAX_NAME_CHARACTERS], str(document["private_key"]))
            _ = identity.public_key, identity.name.encode()
        except (ValueError, KeyError, TypeError) as error:
            raise BadIdentity(f"{path} is not a Meadow identity. Delete it to create a new one.") from error
        return identity

    def _write(self, path: Path, *, replace: bool) -> None:
        document = {"name": self.name, "private_key": self.private_key}
        write_private_file(path, json.dumps(document, indent=2), replace=replace)

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.private_key.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("not an elliptic curve key")
        return key

    @cached_property
    def public_key(self) -> str:
        """PEM text of the public key, by which the server identifies the client."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(encoding, form).decode()

    def sign(self, nonce: str, certificate: str | None = None) -> str:
        """Return the base64 signature (ECDSA over SHA-256) that answers a challenge.

        ``certificate`` is the SHA-256 (hex) of the certificate that the server has shown; None without TLS.
        """
        signed = self._key.sign(signed_message(nonce, certificate), ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signed).decode()


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the PEM text of a private key."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
