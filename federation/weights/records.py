"""Flower's Array over a numpy array that becomes bytes only where somebody asks for bytes."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray


class NumpyArray(Array):
    """An Array that holds its values as they are.

    Flower's own writes every array as .npy when it is made and reads it again at each look. Weights that come as one
    buffer and leave as one need neither. To others it is an Array like any: ``numpy()`` gives a copy that may be
    written to, ``data`` the .npy bytes.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self.__dict__.update(dtype=str(values.dtype), shape=tuple(values.shape), stype="numpy.ndarray", _values=values)

    @property
    def values(self) -> NDArray[Any]:
        """The array itself, which others may look at, too: not to be written to."""
        values: NDArray[Any] = self.__dict__["_values"]
        return values

    def numpy(self) -> NDArray[Any]:
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


def values_of(array: Array) -> NDArray[Any]:
    """Return an array's values to look at, without a copy where there need be none."""
    return array.values if isinstance(array, NumpyArray) else array.numpy()


def record_of(named: Iterable[tuple[str, NDArray[Any]]]) -> ArrayRecord:
    """Return a record of named arrays. They are not copied: whoever gives them leaves them alone."""
    record = ArrayRecord()  # its constructor would turn them into bytes
    for name, values in named:
        record[name] = NumpyArray(values)
    return record
