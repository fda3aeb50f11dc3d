"""The hashes by which ids of sessions and tokens are stored."""

import hashlib

RANDOM_BYTES = 32
"""Of an id or a token: nobody guesses 256 random bits."""


def digest(secret: str) -> str:
    """Return the hash of a session id or token; they are random, so a fast hash keeps them secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
