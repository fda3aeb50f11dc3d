"""A checkpoint as an .npz archive that is made while it is sent: memory and disk hold one piece of it at a time."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from zipfile import ZIP64_LIMIT

import numpy as np

from federation.coordinator.supervisor import read_layout
from federation.weights.layout import Entry, Layout
from webapp.operations.files.zip_stream import PIECE_BYTES, Member, zip_pieces

MAX_KNOWN_LENGTH = ZIP64_LIMIT
"""A longer archive has further fields, depending on where an array lies; its length is not declared."""

ReadPieces = Callable[[int, int], Iterator[bytes]]
"""Gives a number of bytes of the weights from an offset on, in pieces."""


class Checkpoint:
    """An open file of weights, which may be deleted by now, with the layout of its run.

    Raises FileNotFoundError where it was deleted, ValueError or CheckpointDamaged where it is not what was written.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self.layout = read_layout(path.parent)
        self._file = path.open("rb", buffering=0)
        try:
            status = os.fstat(self._file.fileno())
            if status.st_size != self.layout.size_bytes:
                raise ValueError(f"they are {status.st_size:,} bytes, the layout needs {self.layout.size_bytes:,}")
            if _sha256(path, status.st_ino, status.st_mtime_ns) != sha256:
                raise ValueError("their sha256 differs")
        except BaseException:
            self._file.close()
            raise

    def pieces(self, start: int, count: int) -> Iterator[bytes]:
        """Give bytes of the file in pieces; raises OSError where it has become shorter."""
        end = start + count
        while start < end:
            piece = os.pread(self._file.fileno(), min(PIECE_BYTES, end - start), start)
            if not piece:
                raise OSError(f"the file of the weights ends after {start:,} bytes")
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@lru_cache(maxsize=64)
def _sha256(path: Path, _inode: int, _mtime_ns: int) -> str:
    """Return the sha256 of a file; a file that has not been written to since is read once for all its downloads."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def npz_pieces(layout: Layout, read: ReadPieces) -> Iterator[bytes]:
    """Give the archive, an array a member, in the layout's order. ``np.savez`` would take no array named "file"."""
    return zip_pieces(_members(layout, read))


def _members(layout: Layout, read: ReadPieces) -> Iterator[Member]:
    starts, start = {}, 0
    for dtype, count in layout.dtypes.items():
        starts[dtype] = start
        start += np.dtype(dtype).itemsize * count
    for entry in layout.entries:
        size = entry.size * np.dtype(entry.dtype).itemsize
        yield Member(f"{entry.name}.npy", chain([_header(entry)], read(starts[entry.dtype], size)), is_stored=True)
        starts[entry.dtype] += size


def npz_length(layout: Layout) -> int:
    """Return the length of an archive up to ``MAX_KNOWN_LENGTH``: the weights, and what stands around them."""
    return layout.size_bytes + sum(len(piece) for piece in npz_pieces(layout, lambda start, count: iter(())))


def _header(entry: Entry) -> bytes:
    header, dtype = BytesIO(), np.dtype(entry.dtype).newbyteorder("<")
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": entry.shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()
