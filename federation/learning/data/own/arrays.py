"""A person's .npz file: inputs x and targets y."""

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.own.names import name_of
from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.refusals import BadData
from federation.learning.data.own.targets import Target, target_of_names, target_of_numbers
from federation.schema.columns import MAX_MAGNITUDE, MAX_SIDE, AgreedSchema, Column, Form

MAX_BYTES = 2 * 2**30
MAX_DIMENSIONS = 4
_NEEDED = "the .npz file needs an array x, (rows, …), and an array y, (rows,)"
_FAILURES = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Inputs (n, …): bytes, which a network takes as 0 to 1, or float32."""

    target: Target
    values: NDArray[Any]
    form: Form = "arrays"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.values.shape[1:]

    def columns(self, _: Sharing) -> list[Column]:
        """Return no columns."""
        return []

    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """Return no columns."""
        return {}

    def subset(self, rows: NDArray[np.int64]) -> Self:
        """Return the arrays of these rows."""
        return replace(self, target=self.target.subset(rows), values=self.values[rows])

    def inputs(self, rows: NDArray[np.int64], _: AgreedSchema) -> NDArray[np.float32]:
        """Return these rows as a network takes them."""
        scale = np.float32(255 if self.values.dtype == np.uint8 else 1)
        return self.values[rows].astype(np.float32) / scale


def read_arrays(file: Path, options: Options) -> Arrays:
    """Read x and y of a file; raises BadData."""
    x, y = _load(file)
    if (
        not 2 <= x.ndim <= MAX_DIMENSIONS
        or not all(0 < n <= MAX_SIDE for n in x.shape)
        or y.shape not in ((len(x),), (len(x), 1))
    ):
        raise BadData(f"{_NEEDED}; here x is {_sides(x)} and y is {_sides(y)}")
    values = _values(x)
    return Arrays(_target(y.reshape(-1), options), values[..., np.newaxis] if values.ndim == 3 else values)


def _load(file: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise BadData(
                    f"the arrays have more than {MAX_BYTES / 2**30:.0f} GiB: divide them among several clients"
                )
        with np.load(file, allow_pickle=False) as arrays:
            if "x" not in arrays or "y" not in arrays:
                raise BadData(_NEEDED)
            return np.asarray(arrays["x"]), np.asarray(arrays["y"])
    except BadData:
        raise
    except MemoryError:
        raise BadData("the arrays do not fit into memory: divide them among several clients") from None
    except _FAILURES:
        raise BadData("this is no readable .npz file of numbers or text: write it again with numpy.savez") from None


def _values(x: NDArray[Any]) -> NDArray[Any]:
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "biuf":
        raise BadData("the array x must have numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        values = x.astype(np.float32)
        bad = ~(np.abs(values) <= MAX_MAGNITUDE).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise BadData(f"row {int(np.flatnonzero(bad)[0]) + 1:,} of the array x has a number that is missing, infinite "
                      f"or above {MAX_MAGNITUDE:g}: correct it")  # fmt: skip
    return values


def _target(y: NDArray[Any], options: Options) -> Target:
    if y.dtype.kind in "UST" or y.dtype.kind == "b":
        names, codes = np.unique(y, return_inverse=True)
        texts = [
            name_of(one.decode(errors="replace") if isinstance(one, bytes) else str(one)) for one in names.tolist()
        ]
        if options.task == "number":
            raise BadData("the array y has no numbers: --task number cannot predict it")
        return target_of_names("y", texts, codes)
    if y.dtype.kind not in "iuf":
        raise BadData("the array y must have numbers or text")
    numbers = y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(numbers) <= MAX_MAGNITUDE))
    if len(bad):
        raise BadData(
            f"row {int(bad[0]) + 1:,} of the array y is missing, infinite or above {MAX_MAGNITUDE:g}: correct it"
        )
    return target_of_numbers("y", numbers, options.task)


def _sides(array: NDArray[Any]) -> str:
    return f"({', '.join(f'{side:,}' for side in array.shape)})"
