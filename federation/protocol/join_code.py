"""The join code: one URL-safe text with all that a client needs to join a server, and a checksum against typing errors.

``mj1_`` (the version), then base64url of the first four bytes of the SHA-256 of a JSON object, and of that object.
"""

import base64
import hashlib
import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.protocol.messages import MAX_CODE_CHARACTERS, MAX_NAME_CHARACTERS

PREFIX = "mj1_"
OTHER_VERSION = re.compile(r"mj\d+_")
CHECKSUM_BYTES = 4
MAX_CHARACTERS = 2000
MAX_PARTITIONS = 100_000


class BadJoinCode(ValueError):
    """A text that is no join code; the sentence says why."""


class JoinCode(BaseModel):
    """What a join code carries: where the server is, the secret that the server takes once, and settings of the client.

    ``server`` is HOST:PORT, with https:// before it for TLS. ``fingerprint`` is the SHA-256 (hex) of the certificate of
    the server's CA, absent without TLS and where the CA is a public one.
    Names of data sets are checked by those who make and use a code.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    server: Annotated[str, Field(min_length=1, max_length=300)]
    secret: Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARACTERS)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] | None = None
    dataset: Annotated[str, Field(pattern=r"^\w{1,40}$")] | None = None
    partition: Annotated[int, Field(ge=0, lt=MAX_PARTITIONS)] | None = None
    partitions: Annotated[int, Field(ge=1, le=MAX_PARTITIONS)] | None = None

    @model_validator(mode="after")
    def _has_partition(self) -> Self:
        if (self.partition is None) != (self.partitions is None):
            raise ValueError("partition and partitions go together")
        if self.partition is not None and self.partitions is not None and self.partition >= self.partitions:
            raise ValueError("partitions count from 0")
        return self

    def encode(self) -> str:
        """Return the code."""
        body = self.model_dump_json(exclude_none=True).encode()
        return PREFIX + _text_of(_checksum(body) + body)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a code; raises BadJoinCode."""
        code = text.strip()
        if not code.startswith(PREFIX):
            if OTHER_VERSION.match(code):
                raise BadJoinCode("the join code is of another version of Meadow: install the version of the server")
            raise BadJoinCode(f"a join code begins with {PREFIX}: copy the whole code from the dashboard")
        if len(code) > MAX_CHARACTERS:
            raise BadJoinCode(f"a join code has at most {MAX_CHARACTERS:,} characters")
        data = _bytes_of(code.removeprefix(PREFIX))
        body = data[CHECKSUM_BYTES:]
        if not body or data[:CHECKSUM_BYTES] != _checksum(body):
            raise BadJoinCode("the join code is mistyped or incomplete: copy the whole code from the dashboard")
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "its settings"
            raise BadJoinCode(f"the join code holds an unknown value ({where}): install the server's version") from None


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:CHECKSUM_BYTES]


def _text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes_of(text: str) -> bytes:
    """Return what a text stands for, none where it is not as ``_text_of`` writes it."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return data if _text_of(data) == text else b""
