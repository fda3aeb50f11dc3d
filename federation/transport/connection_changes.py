"""Reports clients that connect and disconnect; of one that does so again and again, few reports with a count.

Everything here runs on the Flower server's event loop.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from federation.run.events import ClientChanged, Record

REPORTED_CHANGES = 8
"""So many changes of a client are reported one by one before others are counted."""

FIRST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS = 10.0, 60.0
"""Changes are counted for so long, then reported as one; each further window is twice as long as the last."""


@dataclass(slots=True)
class _Window:
    """The changes of one client since ``began`` (monotonic clock); ``last`` is the newest that was not reported."""

    began: float
    seconds: float = FIRST_WINDOW_SECONDS
    changes: int = 0
    counted: int = 0
    last: ClientChanged | None = None


class ConnectionChanges:
    """Passes on changes to ``report``; ``flush`` is due about once a second."""

    def __init__(self, report: Record, clock: Callable[[], float] = time.monotonic) -> None:
        self._report, self._clock = report, clock
        self._windows: dict[int, _Window] = {}

    def add(self, change: ClientChanged) -> None:
        """Report a change, or count it where its client has had too many of late."""
        window = self._windows.setdefault(change.client_id, _Window(self._clock()))
        window.changes += 1
        if window.changes <= REPORTED_CHANGES:
            self._report(change)
        else:
            window.counted, window.last = window.counted + 1, change

    def flush(self, *, at_once: bool = False) -> None:
        """Report what was counted in windows that are over; ``at_once``: in all of them."""
        now = self._clock()
        for client_id, window in list(self._windows.items()):
            if not at_once and now - window.began < window.seconds:
                continue
            if window.last is None:
                del self._windows[client_id]
                continue
            last = window.last
            self._report(ClientChanged(client_id, last.online, last.reason, changes=window.counted))
            window.began, window.seconds = now, min(2 * window.seconds, LONGEST_WINDOW_SECONDS)
            window.changes, window.counted, window.last = REPORTED_CHANGES, 0, None
