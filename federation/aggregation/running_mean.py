"""The running mean: FedAvg's weighted average, taken as replies come, so memory does not grow with clients."""

import numpy as np

from federation.weights.layout import Layout, NumpyArray

BLOCK = 1 << 20
"""Elements added at a time: few enough for a small scratch array, enough to wait seldom for the interpreter lock."""

ACCUMULATORS = {"float16": np.float32, "float32": np.float32, "float64": np.float64}
"""What sums of a dtype are kept in; whole numbers and bools take float64."""


class RunningMean:
    """Sum of num_examples × weights over replies, divided once at the end (McMahan et al., 2017, algorithm 1)."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sums: dict[str, NumpyArray] = {}
        self.total_examples = 0
        self.replies = 0

    def add(self, flats: dict[str, NumpyArray], num_examples: int) -> None:
        """Add one reply: one flat array for each dtype of the layout."""
        first = not self._sums
        for dtype, flat in flats.items():
            if first:
                kind = ACCUMULATORS.get(dtype, np.float64)
                self._sums[dtype] = np.empty(flat.size, kind)
                np.multiply(flat, num_examples, out=self._sums[dtype], dtype=kind, casting="unsafe")
            else:
                add_scaled(self._sums[dtype], flat, num_examples)
        self.total_examples += num_examples
        self.replies += 1

    def result(self) -> bytearray | memoryview:
        """Return the mean as a buffer of the layout and let go of the sums; one reply or more must have been added."""
        sums, self._sums = self._sums, {}
        for total in sums.values():
            np.divide(total, self.total_examples, out=total)
        if list(sums) == ["float32"]:
            return sums["float32"].data.cast("B")
        return join(self._layout, sums)


def add_scaled(total: NumpyArray, flat: NumpyArray, factor: float) -> None:
    """Add ``factor`` × ``flat`` to ``total`` in place, block by block; both are one-dimensional and of one length."""
    scratch = np.empty(min(BLOCK, total.size), total.dtype)
    for start in range(0, total.size, BLOCK):
        part = total[start : start + BLOCK]
        product = scratch[: part.size]
        np.multiply(flat[start : start + BLOCK], factor, out=product, dtype=total.dtype, casting="unsafe")
        part += product


def join(layout: Layout, flats: dict[str, NumpyArray]) -> bytearray:
    """Return a buffer of the layout that holds the flat arrays, cast to its dtypes.

    Whole numbers are rounded, and what lies beyond their dtype becomes its least or greatest: a server's step may lead
    there. Finite values are expected for them.
    """
    buffer = bytearray(layout.size_bytes)
    for dtype, target in layout.flats(buffer).items():
        if target.dtype.kind in "iub" and flats[dtype].dtype.kind == "f":
            _round(target, flats[dtype])
        else:
            np.copyto(target, flats[dtype], casting="unsafe")
    return buffer


def _round(target: NumpyArray, values: NumpyArray) -> None:
    """Write floating-point values into whole numbers or bools: the nearest that there is."""
    limits = np.iinfo(target.dtype) if target.dtype.kind != "b" else None
    least, most = (limits.min, limits.max) if limits else (0, 1)
    for start in range(0, target.size, BLOCK):
        part = np.rint(values[start : start + BLOCK], dtype=np.float64)
        beyond = part >= most
        target[start : start + BLOCK] = np.where(beyond, 0, np.maximum(part, least)).astype(target.dtype)
        target[start : start + BLOCK][beyond] = most  # float64 has no 2**63 - 1
