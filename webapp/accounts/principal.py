"""Who acts in a request, and the hash of what it brought."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from webapp.accounts.roles import Role

RANDOM_BYTES = 32
"""Of an id or a token: nobody guesses 256 random bits."""


class Kind(StrEnum):
    """A reader on this machine where there are no accounts, a person in a browser, or a script with an API token."""

    LOCAL = "local"
    USER = "user"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, and with which role. ``id`` is the person's, also where a token acts; ``name`` is for people to read.

    ``credential`` is the hash of the session id or of the token, ``expires_at`` its end; a local one has neither.
    """

    kind: Kind
    id: int
    name: str
    role: Role
    credential: str = field(default="", repr=False)
    expires_at: datetime | None = None
    token_id: int | None = None

    def may(self, role: Role | str) -> bool:
        """Return whether the principal may do what needs a role."""
        return self.role.includes(Role(role))


LOCAL = Principal(Kind.LOCAL, 0, "local", Role.ADMIN)


def digest(secret: str) -> str:
    """Return the hash of a session id or token; they are random, so a fast hash keeps them secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
