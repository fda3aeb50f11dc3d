"""Which attempts that changed nothing get an entry of their own: a flood of them must not fill the disk.

The first of its kind gets an entry. Those like it in the next ten minutes are counted, and one entry tells how many
they were. Of the attempts of people who are not signed in, and of those of each account, 150 kinds are told apart
in that time.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from federation.protocol.addresses import network_of
from webapp.operations.audit.attempts import ANONYMOUS, Attempt

WINDOW_SECONDS, MAX_KINDS = 600.0, 150


@dataclass(slots=True)
class _Window:
    begun: float
    last: Attempt
    first_at: datetime
    repeated: int = 0


class Repeats:
    """Counts attempts that are alike: same actor, network of the address, action and status, and target of an account.

    Any thread may use it. ``clock`` returns seconds and is never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[Hashable, dict[Hashable, _Window]] = {}
        self._lock = threading.Lock()

    def add(self, attempt: Attempt) -> Attempt | None:
        """Return the attempt to write at once; None where it is only counted."""
        actor = attempt.actor
        known = actor.id is not None or actor.kind == "local"
        network = attempt.address if known else network_of(attempt.address) or attempt.address
        kind: Hashable = (network, attempt.action, attempt.status, attempt.target if known else "")
        with self._lock:
            windows = self._windows.setdefault((actor.kind, actor.id), {})
            if kind not in windows and len(windows) >= MAX_KINDS:
                kind = "other"
                attempt = replace(attempt, action="various", target="", address="", actor=actor if known else ANONYMOUS)
            window = windows.get(kind)
            if window is None:
                windows[kind] = _Window(self._clock(), attempt, attempt.at)
                return attempt
            window.repeated, window.last = window.repeated + 1, attempt
        return None

    def take_counts(self, *, everything: bool = False) -> list[Attempt]:
        """Return an attempt with its count for each window that has ended; with ``everything`` for each window."""
        now, counts = self._clock(), []
        with self._lock:
            for group, windows in list(self._windows.items()):
                ended = [kind for kind, one in windows.items() if everything or now - one.begun >= WINDOW_SECONDS]
                counts += [_count(window) for kind in ended if (window := windows.pop(kind)).repeated]
                if not windows:
                    del self._windows[group]
        return counts


def _count(window: _Window) -> Attempt:
    first = window.first_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return replace(window.last, detail={**window.last.detail, "repeated": window.repeated, "since": first})
