"""Temporary files and folders of backups: each process locks its own, so that the next one can delete what is left.

A file system without locks keeps what is left.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder, which is deleted at the end; those of killed processes are deleted first."""
    with ExitStack() as ends:
        with _lock(parent, fcntl.LOCK_EX):
            delete_unlocked(parent, f"{prefix}*")
            made = tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
            ends.enter_context(_lock(Path(made.name), fcntl.LOCK_EX | fcntl.LOCK_NB))
            ends.enter_context(made)
        yield Path(made.name)


def delete_unlocked(parent: Path, pattern: str) -> None:
    """Delete the files and folders of a pattern that no process has locked."""
    for path in parent.glob(pattern):
        with _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_locked, suppress(OSError):
            if is_locked and path.is_dir():
                shutil.rmtree(path)
            elif is_locked:
                path.unlink()


@contextmanager
def _lock(path: Path, kind: int) -> Iterator[bool]:
    """Lock a file or folder; give False where another process has the lock, or there are no locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        is_locked = True
        try:
            fcntl.flock(descriptor, kind)
        except OSError:
            is_locked = False
        yield is_locked
    finally:
        os.close(descriptor)
