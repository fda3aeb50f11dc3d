"""The running mean: FedAvg's weighted average, updated with each reply, so memory does not grow with the clients."""

import numpy as np

from federation.weights.layout import Flats, Layout, NumpyArray

BLOCK = 1 << 20
"""Elements that are added at a time: few enough for a small scratch array, enough to release the interpreter lock
seldom."""

ACCUMULATORS = {"float16": np.float32, "float32": np.float32, "float64": np.float64}
"""The dtype in which the sums of a dtype are kept; integers and bools take float64."""


class RunningMean:
    """Sum of num_examples × weights over replies, divided once at the end (McMahan et al., 2017, algorithm 1)."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sums: Flats = {}
        self.total_examples = 0

    def add(self, flats: Flats, num_examples: int) -> None:
        """Add one reply, whose arrays are not kept."""
        first = not self._sums
        for dtype, flat in flats.items():
            if first:
                accumulator = ACCUMULATORS.get(dtype, np.float64)
                self._sums[dtype] = np.empty(flat.size, accumulator)
                np.multiply(flat, num_examples, out=self._sums[dtype], dtype=accumulator, casting="unsafe")
            else:
                add_scaled(self._sums[dtype], flat, num_examples)
        self.total_examples += num_examples

    def result(self) -> bytearray | memoryview:
        """Return the mean as a buffer of the layout and release the sums. At least one reply must have been added."""
        sums, self._sums = self._sums, {}
        for total in sums.values():
            np.divide(total, self.total_examples, out=total)
        if list(sums) == ["float32"]:
            return sums["float32"].data.cast("B")
        return cast_to_layout(self._layout, sums)


def add_scaled(total: NumpyArray, flat: NumpyArray, factor: float) -> None:
    """Add ``factor`` × ``flat`` to ``total`` in place, block by block; both are (n,)."""
    scratch = np.empty(min(BLOCK, total.size), total.dtype)
    for start in range(0, total.size, BLOCK):
        part = total[start : start + BLOCK]
        product = scratch[: part.size]
        np.multiply(flat[start : start + BLOCK], factor, out=product, dtype=total.dtype, casting="unsafe")
        part += product


def cast_to_layout(layout: Layout, flats: Flats) -> bytearray:
    """Return a buffer of the layout with the values of ``flats``, cast to the layout's dtypes.

    Integers are rounded and clipped to the limits of their dtype, because a step of the server may lead beyond them.
    Values for integers and bools must be finite.
    """
    buffer = bytearray(layout.size_bytes)
    for dtype, target in layout.flats(buffer).items():
        if target.dtype.kind in "iub" and flats[dtype].dtype.kind == "f":
            _round_and_clip(target, flats[dtype])
        else:
            np.copyto(target, flats[dtype], casting="unsafe")
    return buffer


def _round_and_clip(target: NumpyArray, values: NumpyArray) -> None:
    """Write floating-point values (n,) into integers or bools (n,): the nearest that the dtype has."""
    limits = np.iinfo(target.dtype) if target.dtype.kind != "b" else None
    least, most = (limits.min, limits.max) if limits else (0, 1)
    for start in range(0, target.size, BLOCK):
        part = np.rint(values[start : start + BLOCK], dtype=np.float64)
        beyond = part >= most
        target[start : start + BLOCK] = np.where(beyond, 0, np.maximum(part, least)).astype(target.dtype)
        target[start : start + BLOCK][beyond] = most  # float64 has no 2**63 - 1
