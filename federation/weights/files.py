"""Atomic writes, a file is on disk whole or not at all; room on the disk; and files of which only the newest stay."""

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from federation.weights.layout import Buffer

RESERVE_BYTES = 4 * 1024 * 1024
"""The last bytes of a disk are left to the database, which must be able to record that there is no room."""


def require_space(folder: Path, size_bytes: int) -> None:
    """Raise OSError (ENOSPC) if the disk has no room for ``size_bytes`` and the reserve."""
    if shutil.disk_usage(folder).free < size_bytes + RESERVE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def delete_all_but_newest(files: Iterable[Path], most: int) -> None:
    """Delete files, but for the ``most`` that were changed last; with each its ``.json``, where there is one.

    Others may delete some of them meanwhile.
    """
    changed: dict[Path, float] = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            changed[file] = file.stat().st_mtime
    for file in sorted(changed, key=changed.__getitem__, reverse=True)[most:]:
        file.with_suffix(".json").unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def write_file(path: Path, *parts: Buffer, sha256: str | None = None, shared: bool = False) -> str:
    """Write the parts one after the other into ``path``, atomically, and return the sha256 of the content.

    The content goes to a temporary file ``.NAME.writing``, is fsynced and renamed, and the folder is fsynced: a crash
    at any moment leaves the previous file. ``shared``: other threads may write the same path meanwhile, so the name of
    the temporary file is unique. A caller that knows the sha256 already passes it, because hashing takes
    longer than everything else here. Raises OSError; the temporary file is removed then.
    """
    digest = hashlib.sha256()
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.writing" if shared else f".{path.name}.writing")
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                if sha256 is None:
                    digest.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return sha256 or digest.hexdigest()
