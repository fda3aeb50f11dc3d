"""Flower's ``Array`` and ``ArrayRecord`` over numpy arrays that are not serialized until their bytes are needed."""

from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO

import numpy as np
from flwr.app import Array, ArrayRecord

from federation.weights.layout import NumpyArray

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
    """Return the values of an array for reading, without a copy where the array is a ``LazyArray``."""
    return array.values if isinstance(array, LazyArray) else array.numpy()


def record_of(named: Iterable[tuple[str, NumpyArray]]) -> ArrayRecord:
    """Return a record of named arrays. They are not copied: the caller must not write to them afterwards."""
    record = ArrayRecord()  # its constructor would serialize every array
    for name, values in named:
        record[name] = LazyArray(values)
    return record
