"""A model's weights as one flat buffer, and the layout that says which array lies where in it.

The buffer holds all arrays of one dtype, one after the other, little-endian; the dtypes follow each other in the order
in which they first appear in the layout. Names, shapes and dtypes are in the layout alone, so a buffer is averaged,
hashed, sent and written without a copy or a conversion.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NumpyArray = NDArray[Any]
"""A numpy array of any dtype; Flower's own class is called ``Array``."""

Buffer = bytes | bytearray | memoryview
"""Weights as bytes, in the order that a ``Layout`` describes."""

Flats = dict[str, NumpyArray]
"""A buffer as numpy arrays: dtype -> one-dimensional array of all elements of that dtype, in the buffer's order."""

LayoutRow = tuple[str, list[int], str]
"""Name, shape and dtype of one array, as a JSON document holds them."""

ALLOWED_DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")

MAX_SHOWN_CHARACTERS = 60
"""A sentence shows at most this much of a name or a shape that a client has written."""


class LayoutMismatch(ValueError):
    """Arrays or a buffer do not fit the layout; the sentence names both sides."""


@dataclass(frozen=True)
class Entry:
    """One array of a layout."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape[:MAX_SHOWN_CHARACTERS])) or "scalar"
        return f"{shortened(self.name)} {shortened(self.dtype)} {shortened(shape)}".strip()


@dataclass(frozen=True)
class Layout:
    """Names, shapes and dtypes of a model's arrays, in order."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, names: Sequence[str], arrays: Sequence[NumpyArray]) -> Self:
        """Return the layout of named arrays; raises ValueError if there are more of one than of the other."""
        return cls(tuple(Entry(n, tuple(a.shape), dtype_name(a.dtype)) for n, a in zip(names, arrays, strict=True)))

    @classmethod
    def from_json(cls, rows: Iterable[LayoutRow]) -> Self:
        """Read the rows that ``to_json`` made.

        Raises
        ------
        LayoutMismatch
            For a dtype outside ``ALLOWED_DTYPES`` or a negative side. A document of another form raises ValueError or
            TypeError.
        """
        entries = tuple(Entry(name, tuple(shape), dtype) for name, shape, dtype in rows)
        for entry in entries:
            if entry.dtype not in ALLOWED_DTYPES:
                raise LayoutMismatch(f"array {shortened(entry.name)!r} {_refusal_of(entry.dtype)}")
            if any(side < 0 for side in entry.shape):
                raise LayoutMismatch(f"array {shortened(entry.name)!r} has a negative side")
        return cls(entries)

    def to_json(self) -> list[LayoutRow]:
        """Return rows of name, shape and dtype for a JSON document."""
        return [(e.name, list(e.shape), e.dtype) for e in self.entries]

    @cached_property
    def dtypes(self) -> dict[str, int]:
        """Dtype -> number of elements, in the buffer's order."""
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
        """Number of elements of all arrays together."""
        return sum(self.dtypes.values())

    def flats(self, buffer: Buffer) -> Flats:
        """Return the buffer as one flat array for each dtype (views); raises LayoutMismatch for a wrong length."""
        view = memoryview(buffer).cast("B")
        if len(view) != self.size_bytes:
            raise LayoutMismatch(f"{len(view):,} bytes, the layout needs {self.size_bytes:,}")
        flats: Flats = {}
        start = 0
        for dtype, count in self.dtypes.items():
            little_endian = np.dtype(dtype).newbyteorder("<")
            flats[dtype] = np.frombuffer(view, little_endian, count, start)
            start += count * little_endian.itemsize
        return flats

    def unpack(self, buffer: Buffer) -> list[NumpyArray]:
        """Return the arrays as views into the buffer, in the layout's order; raises as ``flats`` does."""
        flats, starts, arrays = self.flats(buffer), dict.fromkeys(self.dtypes, 0), []
        for entry in self.entries:
            start = starts[entry.dtype]
            starts[entry.dtype] = start + entry.size
            arrays.append(flats[entry.dtype][start : start + entry.size].reshape(entry.shape))
        return arrays

    def pack(self, arrays: Sequence[NumpyArray]) -> bytearray:
        """Return a buffer that holds the arrays; raises LayoutMismatch if a shape or dtype differs from the layout."""
        difference = self.difference(tuple(Entry("", tuple(a.shape), dtype_name(a.dtype)) for a in arrays))
        if difference is not None:
            raise LayoutMismatch(difference)
        buffer = bytearray(self.size_bytes)
        for target, source in zip(self.unpack(buffer), arrays, strict=True):
            target[...] = source
        return buffer

    def difference(self, others: tuple[Entry, ...]) -> str | None:
        """Describe the first difference between a client's arrays and this layout, or return None.

        Only shapes, dtypes and the order are compared; names may differ.
        """
        if len(others) != len(self.entries):
            return f"sends {len(others):,} arrays, the run needs {len(self.entries):,}"
        for mine, theirs in zip(self.entries, others, strict=True):
            if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
                return f"sends {theirs}, the run needs {mine}"
        return None


@lru_cache(maxsize=64)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype, which numpy puts together anew each time."""
    return dtype.name


def shortened(text: str) -> str:
    """Return a text cut to ``MAX_SHOWN_CHARACTERS``, to be put into a sentence."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def _refusal_of(dtype: str) -> str:
    """Return what is wrong with a dtype, and what to do: NumPy saves bfloat16 as two bytes without a type."""
    if dtype in ("void16", "bfloat16"):
        return "is bfloat16, which is not allowed: convert it to float32"
    return f"has dtype {shortened(dtype)!r}, which is not allowed"
