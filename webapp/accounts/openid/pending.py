"""Sign-ins that have left for the provider: each is good for one return, of the same browser, within ten minutes."""

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from authlib.common.security import generate_token

SECONDS, MOST = 600.0, 1000


@dataclass(frozen=True, slots=True)
class Pending:
    """What a return must match: ``state`` in its address, ``browser`` in its cookie; and what belongs to it."""

    then: str
    redirect_uri: str
    begun: float
    state: str = field(default_factory=lambda: generate_token(32))
    browser: str = field(default_factory=lambda: generate_token(32))
    nonce: str = field(default_factory=lambda: generate_token(32))
    verifier: str = field(default_factory=lambda: generate_token(64))


class PendingSignIns:
    """Those of this process, in memory; where there are too many, the oldest is dropped. Any thread may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._known: OrderedDict[str, Pending] = OrderedDict()

    def begin(self, then: str, redirect_uri: str) -> Pending:
        """Return a new one."""
        made = Pending(then, redirect_uri, self._clock())
        with self._lock:
            self._known[made.state] = made
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return made

    def take(self, state: str, browser: str) -> Pending | None:
        """Return the one with that state, once; None where it is unknown, over, or another browser's."""
        with self._lock:
            found = self._known.get(state)
            if found is None or not hmac.compare_digest(found.browser.encode(), browser.encode("utf-8", "replace")):
                return None
            del self._known[state]
        return found if self._clock() - found.begun < SECONDS else None
