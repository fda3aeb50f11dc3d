"""Disk space kept back for the database, which must be able to record on a full disk that there is no room."""

import os
import shutil
from pathlib import Path

RESERVED_BYTES = 1024 * 1024
NEEDED_BYTES = 8 * RESERVED_BYTES
"""With less free space the disk counts as full."""


class DiskReserve:
    """A file of one mebibyte that is deleted when the disk is full, and made again when there is room.

    Used under the lock of the database's writer, but for ``release``, which any thread may call.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.hold()

    def hold(self) -> None:
        """Make the file, if the disk has eight times its size free; ``is_held`` says whether it exists."""
        if not self._file.exists() and shutil.disk_usage(self._file.parent).free > NEEDED_BYTES:
            with open(self._file, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)
        self.is_held = self._file.exists()

    def release(self) -> None:
        """Delete the file."""
        self._file.unlink(missing_ok=True)
        self.is_held = False
