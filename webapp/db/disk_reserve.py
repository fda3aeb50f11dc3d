"""A little of the disk held back for the database: on a full one it still has to say that there is no room."""

import os
import shutil
from pathlib import Path

RESERVED_BYTES = 1024 * 1024


class Reserve:
    """A file that is given up when the disk is full, and held again when there is room."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.hold()

    def hold(self) -> None:
        """Take the room, where there is plenty more."""
        if not self._file.exists() and shutil.disk_usage(self._file.parent).free > 8 * RESERVED_BYTES:
            with open(self._file, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)
        self.is_held = self._file.exists()

    def release(self) -> None:
        """Give the room up."""
        self._file.unlink(missing_ok=True)
        self.is_held = False
