"""Random ids of sessions and tokens, and the hashes by which they are stored."""

import hashlib
import secrets

TOKEN_PREFIX = "mdw_"
"""By which a person, and a scanner of repositories, recognizes an API token of Meadow."""


def new_session_id() -> str:
    """Return a new session id, 256 random bits."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a new API token, 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return the hash of a session id or token; they are random, so a fast hash keeps them secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
