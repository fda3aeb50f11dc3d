"""Hashes of passwords by argon2id, with the parameters of argon2-cffi."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from webapp.problems import Invalid

MIN_LENGTH, MAX_LENGTH = 10, 200
MOST_AT_ONCE = 2
"""Each hash takes 64 MiB and four threads for a moment: strangers who try passwords must not use up the machine."""

OF_NO_ONE = "$argon2id$v=19$m=65536,t=3,p=4$mLH1gQd/1Cgo2yuFt0thiA$SIsq2uMUA4FD8BeUZBC+R9wXBmpOiNUiCXrIdskJkSk"
"""The hash of a random text, checked where a name is unknown: whether it is shows in no time. Parameters as today's."""


class Passwords:
    """Makes and checks hashes. Any thread may use it; some of them wait for their turn."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def hash(self, password: str) -> str:
        """Return the hash to store."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def is_right(self, stored: str | None, password: str) -> bool:
        """Return whether a password belongs to a stored hash; without one the same work is done, and it never does."""
        with self._turns:
            try:
                matches = self._hasher.verify(stored or OF_NO_ONE, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


def check_password(password: str, name: str) -> None:
    """Raise Invalid for a password that is too short, too long, no text, or the name itself."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid("password", f"A password has {MIN_LENGTH} to {MAX_LENGTH:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise Invalid("password", "The password is not text")
    if password.casefold() == name.casefold():
        raise Invalid("password", "The password must differ from the name")


def _normal(password: str) -> bytes:
    """Return the same bytes for the same text, however a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password[: 2 * MAX_LENGTH]).encode("utf-8", "surrogatepass")
