"""How often an address may fail to join: strangers who guess codes, or ask again and again, cost no database."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from federation.protocol.addresses import network_of

MAX_FAILURES, WINDOW_SECONDS, MAX_ADDRESSES = 10, 60.0, 10_000


class JoinAttempts:
    """Counts failed attempts of the last minute by address; any thread may call it. ``clock`` is monotonic.

    Of more than ``MAX_ADDRESSES`` those are forgotten that failed longest ago.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Address -> when its minute began, and the failures in it."""

    def seconds_left(self, address: str) -> float:
        """Return for how long an address may not try again; 0 where it may now."""
        now = self._clock()
        with self._lock:
            began, failures = self._failures.get(network_of(address) or address, (now, 0))
        return max(0.0, began + WINDOW_SECONDS - now) if failures >= MAX_FAILURES else 0.0

    def fail(self, address: str) -> None:
        """Count a failed attempt."""
        now, key = self._clock(), network_of(address) or address
        with self._lock:
            began, failures = self._failures.pop(key, (now, 0))
            if now - began >= WINDOW_SECONDS:
                began, failures = now, 0
            self._failures[key] = (began, failures + 1)
            while len(self._failures) > MAX_ADDRESSES:
                self._failures.popitem(last=False)
