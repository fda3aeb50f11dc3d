"""Atomic writes: a file is on disk whole or not at all."""

import hashlib
import os
from pathlib import Path

from federation.weights.layout import Buffer


def write_file(path: Path, *parts: Buffer, sha256: str | None = None) -> str:
    """Write the parts one after the other into ``path``, atomically, and return the sha256 of the content.

    The content goes to a temporary file ``.NAME.writing``, is fsynced and renamed, and the folder is fsynced: a crash
    at any moment leaves the previous file. A caller that knows the sha256 already passes it, because hashing takes
    longer than everything else here. Raises OSError; the temporary file is removed then.
    """
    digest = hashlib.sha256()
    temporary = path.with_name(f".{path.name}.writing")
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
