"""Flash messages: the sentence that says what an action did, shown once, on the page that follows the action."""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

PARAMETER = "flash"
"""The parameter of a redirect's query that holds the token of a message."""
MAX_AGE_SECONDS = 30.0
MAX_WAITING = 256


@dataclass(frozen=True, slots=True)
class Flash:
    """A sentence; where the action can be undone, a form posts ``ids`` and ``back`` to the address ``undo``."""

    text: str
    undo: str = ""
    ids: Sequence[int] = ()
    back: str = ""


class Flashes:
    """The flash messages that wait for their page, in memory: a browser follows a redirect at once.

    Each message waits under a random token that only its redirect names. So a link cannot make a page say anything,
    and neither two tabs nor two people can get each other's messages. All methods may be called from any thread.
    """

    def __init__(self, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._max_age_seconds, self._lock = max_age_seconds, threading.Lock()
        self._waiting: dict[str, tuple[float, Flash]] = {}

    def put(self, flash: Flash) -> str:
        """Keep a message and return its token; of more than ``MAX_WAITING`` the oldest are forgotten."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._waiting[token] = (time.monotonic(), flash)
            while len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
        return token

    def take(self, token: str) -> Flash | None:
        """Return the message of a token and forget it; None where it was taken before, is too old or never was."""
        with self._lock:
            since, flash = self._waiting.pop(token, (0.0, None))
        return flash if time.monotonic() - since < self._max_age_seconds else None
