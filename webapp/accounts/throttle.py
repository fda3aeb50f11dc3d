"""Counts attempts at passwords by name and by address, and refuses more than ten a minute."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil

from federation.protocol.addresses import network_of
from webapp.problems import Problem

MOST, SECONDS, MAX_KEYS = 10, 60.0, 10_000


class TooManyAttempts(Problem):
    """Too many attempts failed within a minute."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many failed attempts. Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that counts as failed until it succeeds."""

    keys: tuple[Hashable, ...]
    at: float


def keys_of(name: str, address: str) -> tuple[Hashable, Hashable]:
    """Return the keys of an attempt: the name, and whose address it is, which of IPv6 is a network."""
    return ("name", name), ("address", network_of(address) or address)


class Throttle:
    """Remembers the failed attempts of the last minute, of at most ``MAX_KEYS`` names and addresses.

    Any thread may use it. An attempt counts from its begin on, so that many at once are no way around the limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failed: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def begin(self, *keys: Hashable) -> Attempt:
        """Count an attempt under each key; raises TooManyAttempts, and counts none, where one of them has too many."""
        with self._lock:
            now = self._clock()
            for key in keys:
                failed = self._failed.get(key, deque())
                while failed and failed[0] <= now - SECONDS:
                    failed.popleft()
                if len(failed) >= MOST:
                    raise TooManyAttempts(max(1, ceil(failed[0] + SECONDS - now)))
            for key in keys:
                self._failed.setdefault(key, deque()).append(now)
                self._failed.move_to_end(key)
            while len(self._failed) > MAX_KEYS:
                self._failed.popitem(last=False)
            return Attempt(keys, now)

    def succeed(self, attempt: Attempt) -> None:
        """Forget an attempt, and the failed ones under its first key, the name."""
        with self._lock:
            self._failed.pop(attempt.keys[0], None)
            for key in attempt.keys[1:]:
                failed = self._failed.get(key)
                if failed is not None and attempt.at in failed:
                    failed.remove(attempt.at)

    def clear(self) -> None:
        """Forget all attempts."""
        with self._lock:
            self._failed.clear()

    @property
    def size(self) -> int:
        """How many names and addresses are remembered."""
        return len(self._failed)
