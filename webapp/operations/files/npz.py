"""A checkpoint as an .npz archive that is made while it is sent: memory and disk hold one piece of it at a time."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from federation.coordinator.supervisor import read_layout
from federation.weights.layout import Entry, Layout

PIECE_BYTES = 1024 * 1024
MAX_KNOWN_LENGTH = zipfile.ZIP64_LIMIT
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


class Sink:
    """The file that an archive is written to: it keeps what was written until the next ``take``, and cannot seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, piece: bytes) -> int:
        """Keep a piece."""
        self._written += piece
        return len(piece)

    def flush(self) -> None:
        """Keep all."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._written = bytes(self._written), bytearray()
        return taken


def npz_pieces(layout: Layout, read: ReadPieces) -> Iterator[bytes]:
    """Give the archive, an array a member, in the layout's order. ``np.savez`` would take no array named "file"."""
    starts, start = {}, 0
    for dtype, count in layout.dtypes.items():
        starts[dtype] = start
        start += np.dtype(dtype).itemsize * count
    sink = Sink()
    with zipfile.ZipFile(cast(BinaryIO, sink), "w") as archive:
        for entry in layout.entries:
            size = entry.size * np.dtype(entry.dtype).itemsize
            with archive.open(f"{entry.name}.npy", "w", force_zip64=True) as member:
                _write_header(cast(BinaryIO, member), entry)
                for piece in read(starts[entry.dtype], size):
                    member.write(piece)
                    yield sink.take()
            starts[entry.dtype] += size
    yield sink.take()


def npz_length(layout: Layout) -> int:
    """Return the length of an archive up to ``MAX_KNOWN_LENGTH``: the weights, and what stands around them."""
    return layout.size_bytes + sum(len(piece) for piece in npz_pieces(layout, lambda start, count: iter(())))


def _write_header(member: BinaryIO, entry: Entry) -> None:
    dtype = np.dtype(entry.dtype).newbyteorder("<")
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": entry.shape}
    np.lib.format.write_array_header_1_0(member, header)
