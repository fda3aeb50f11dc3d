"""Temporary files and folders of backups: each process locks its own, so that the next one can delete what is left.

A file system without locks keeps what is left.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder, which is deleted at the end; those of killed processes are deleted first."""
    with _locked(parent, fcntl.LOCK_EX):
        delete_unlocked(parent, f"{prefix}*")
        made = tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
        held = _open_locked(Path(made.name), fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        with made as name:
            yield Path(name)
    finally:
        if held is not None:
            os.close(held)


def delete_unlocked(parent: Path, pattern: str) -> None:
    """Delete the files and folders of a pattern that no process has locked."""
    for path in parent.glob(pattern):
        if (held := _open_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)) is None:
            continue
        with contextlib.suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        os.close(held)


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    held = _open_locked(path, kind)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _open_locked(path: Path, kind: int) -> int | None:
    """Return a descriptor that holds a lock until it is closed; None where another has it, or there are no locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
