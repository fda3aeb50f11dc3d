"""Flower's ``Array`` and ``ArrayRecord`` over numpy arrays that are not serialized until their bytes are needed."""

import math
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord

from federation.weights.layout import NumpyArray

_NPY_1_0 = np.lib.format.magic(1, 0)
_written = lru_cache(maxsize=64)(str)
"""A dtype as text, which numpy puts together anew each time."""


class LazyArray(Array):
    """An ``Array`` that keeps its numpy array as it is.

    Flower's own class serializes to .npy when it is made and parses the bytes at each access. Weights that arrive and
    leave as one flat buffer need neither. For all other code this is an ordinary ``Array``: ``numpy()`` returns a copy
    that may be written to, ``data`` the .npy bytes.
    """

    def __init__(self, values: NumpyArray) -> None:
        self.__dict__.update(
            dtype=_written(values.dtype), shape=tuple(values.shape), stype="numpy.ndarray", _values=values
        )

    @property
    def values(self) -> NumpyArray:
        """The array itself. Others may hold it too: do not write to it."""
        values: NumpyArray = self.__dict__["_values"]
        return values

    def numpy(self) -> NumpyArray:
        """Return a copy."""
        return self.values.copy()

    @property
    def data(self) -> bytes:
        """The values as a .npy file."""
        file = BytesIO()
        np.save(file, self.values, allow_pickle=False)
        return file.getvalue()

    @data.setter
    def data(self, data: bytes) -> None:
        self.__dict__["_values"] = np.load(BytesIO(data), allow_pickle=False)


def values_of(array: Array) -> NumpyArray:
    """Return the values of an array for reading, without a copy where they are a ``LazyArray``'s or .npy bytes of 1.0.

    Raises TypeError for an array that numpy did not write, ValueError for bytes that are not as their header says.
    """
    if isinstance(array, LazyArray):
        return array.values
    data = array.data
    if array.stype != "numpy.ndarray" or data[:8] != _NPY_1_0:
        return array.numpy()
    begin = 10 + int.from_bytes(data[8:10], "little")
    shape, is_fortran, dtype = _header(bytes(data[8:begin]))
    values = np.frombuffer(data, dtype, math.prod(shape), begin)
    return values.reshape(shape, order="F" if is_fortran else "C")


@lru_cache(maxsize=256)
def _header(text: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse the header of a .npy file, which is Python source: numpy compiles it anew each time."""
    return np.lib.format.read_array_header_1_0(BytesIO(text))


def record_of(named: Iterable[tuple[str, NumpyArray]]) -> ArrayRecord:
    """Return a record of named arrays. They are not copied: the caller must not write to them afterwards."""
    record = ArrayRecord()  # its constructor would serialize every array
    for name, values in named:
        record[name] = LazyArray(values)
    return record
