"""A file that one process locks at a time. Its text tells other processes which one that is and where it serves."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from federation.protocol.addresses import format_address


class DataInUse(Exception):
    """Another dashboard uses ``what``, the data directory or the database; the setting ``flag`` chooses another."""

    def __init__(self, what: str, holder: str, flag: str) -> None:
        super().__init__(f"The {what} is in use by {holder}. Stop that dashboard, or choose another --{flag}.")


class LockFile:
    """Locks a file until ``close``, or until the process ends.

    Raises DataInUse where another process has the lock; ``what`` names the locked thing and ``flag`` the setting that
    chooses another. Raises OSError where the file cannot be opened, or its file system has no locks.
    """

    def __init__(self, path: Path, what: str, flag: str) -> None:
        self._file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (open until close)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            if not isinstance(error, BlockingIOError):
                raise
            raise DataInUse(what, _holder(path), flag) from error
        self.show_address({})

    def show_address(self, address: dict[str, Any]) -> None:
        """Tell other processes where this one serves: ``scheme``, ``host``, ``port`` and so on."""
        self._file.truncate(0)
        json.dump({"pid": os.getpid(), **address}, self._file)
        self._file.flush()

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()


def url_in(address: dict[str, Any]) -> str:
    """Return the URL of a dashboard that has shown its address."""
    return f"{address.get('scheme', 'http')}://{format_address(address['host'], address['port'])}"


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        at = f", at {url_in(holder)}" if "port" in holder else ""
        return f"process {holder['pid']}{at}"
    except (OSError, ValueError, KeyError):
        return "another dashboard"
