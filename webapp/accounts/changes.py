"""Counts changes of accounts, by this process and by commands, so that nothing that is known of one is used longer."""

import threading
from pathlib import Path

Version = tuple[int, int]


class AccountChanges:
    """Which changes were made: two equal versions mean that no account was changed between them.

    Other processes learn of changes by the length of a file in the data directory.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._count, self._lock = file, 0, threading.Lock()

    @property
    def version(self) -> Version:
        """The changes so far; any thread may read it, and it takes microseconds."""
        try:
            return self._count, self._file.stat().st_size
        except OSError:
            return self._count, 0

    def note(self) -> None:
        """Count a change of this process, once it is stored."""
        with self._lock:
            self._count += 1

    def announce(self) -> None:
        """Tell the dashboard of changes that another process has stored; raises OSError."""
        with open(self._file, "ab") as file:
            file.write(b".")
