"""Weights as one flat buffer with a layout, and their files on disk.

The buffer holds every array of one dtype after the other, little-endian, dtypes in the order in which they first appear
in the layout. Names, shapes and dtypes stand in the layout: the buffer is averaged, hashed, sent and written as it is.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ALLOWED_DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


SHOWN_CHARACTERS = 60
"""What a sentence shows of a name or a shape that somebody else has written."""


class LayoutMismatch(ValueError):
    """Arrays or a buffer do not fit the layout; the sentence names both sides."""


@dataclass(frozen=True)
class Entry:
    """One array: its name, shape and dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape[:SHOWN_CHARACTERS])) or "scalar"
        return f"{shown(self.name)} {shown(self.dtype)} {shown(shape)}".strip()


@dataclass(frozen=True)
class Layout:
    """Names, shapes and dtypes of a model's arrays, in order."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, names: Sequence[str], arrays: Sequence[Array]) -> Self:
        """Return the layout of named arrays."""
        return cls(tuple(Entry(n, tuple(a.shape), a.dtype.name) for n, a in zip(names, arrays, strict=True)))

    @classmethod
    def from_json(cls, rows: Iterable[tuple[str, list[int], str]]) -> Self:
        """Read what ``to_json`` wrote; raises LayoutMismatch for a dtype that is not allowed or a bad shape."""
        entries = tuple(Entry(name, tuple(shape), dtype) for name, shape, dtype in rows)
        for entry in entries:
            if entry.dtype not in ALLOWED_DTYPES:
                raise LayoutMismatch(
                    f"array {shown(entry.name)!r} has dtype {shown(entry.dtype)!r}, which is not allowed"
                )
            if any(side < 0 for side in entry.shape):
                raise LayoutMismatch(f"array {shown(entry.name)!r} has a negative side")
        return cls(entries)

    def to_json(self) -> list[tuple[str, list[int], str]]:
        """Return rows of name, shape and dtype for a JSON document."""
        return [(e.name, list(e.shape), e.dtype) for e in self.entries]

    @cached_property
    def dtypes(self) -> dict[str, int]:
        """Elements in all of each dtype, in the buffer's order."""
        totals: dict[str, int] = {}
        for entry in self.entries:
            totals[entry.dtype] = totals.get(entry.dtype, 0) + entry.size
        return totals

    @cached_property
    def size_bytes(self) -> int:
        """Length of the buffer."""
        return sum(np.dtype(dtype).itemsize * count for dtype, count in self.dtypes.items())

    @property
    def parameters(self) -> int:
        """Elements in all."""
        return sum(self.dtypes.values())

    def flats(self, buffer: bytes | bytearray | memoryview) -> dict[str, Array]:
        """Return one flat array (a view) for each dtype of the buffer; raises LayoutMismatch for a wrong length."""
        view = memoryview(buffer).cast("B")
        if len(view) != self.size_bytes:
            raise LayoutMismatch(f"{len(view)} bytes, the layout needs {self.size_bytes}")
        flats: dict[str, Array] = {}
        start = 0
        for dtype, count in self.dtypes.items():
            kind = np.dtype(dtype).newbyteorder("<")
            flats[dtype] = np.frombuffer(view, kind, count, start)
            start += count * kind.itemsize
        return flats

    def unpack(self, buffer: bytes | bytearray | memoryview) -> list[Array]:
        """Return the arrays as views into the buffer, in the layout's order."""
        flats, starts, arrays = self.flats(buffer), dict.fromkeys(self.dtypes, 0), []
        for entry in self.entries:
            start = starts[entry.dtype]
            starts[entry.dtype] = start + entry.size
            arrays.append(flats[entry.dtype][start : start + entry.size].reshape(entry.shape))
        return arrays

    def pack(self, arrays: Sequence[Array]) -> bytearray:
        """Return the buffer that holds the arrays; raises LayoutMismatch, both sides named, where they do not fit."""
        difference = self.difference(tuple(Entry("", tuple(a.shape), a.dtype.name) for a in arrays))
        if difference is not None:
            raise LayoutMismatch(difference)
        buffer = bytearray(self.size_bytes)
        for target, source in zip(self.unpack(buffer), arrays, strict=True):
            target[...] = source
        return buffer

    def difference(self, others: tuple[Entry, ...]) -> str | None:
        """Say in a sentence where other arrays differ from this layout, or return None; names do not count."""
        if len(others) != len(self.entries):
            return f"sends {len(others)} arrays, the run needs {len(self.entries)}"
        for mine, theirs in zip(self.entries, others, strict=True):
            if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
                return f"sends {theirs}, the run needs {mine}"
        return None


def shown(text: str) -> str:
    """Return a text as it may stand in a sentence: cut to ``SHOWN_CHARACTERS``."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def write_file(path: Path, *parts: bytes | bytearray | memoryview, sha256: str | None = None) -> str:
    """Write the parts so that the file is there whole or not at all; return the sha256 of what it holds.

    Temporary file, fsync, rename, fsync of the folder: a crash in between leaves the previous file. Whoever has the
    digest already gives it: it takes longer than the rest.
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
