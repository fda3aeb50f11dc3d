"""Validation of a reply before it is aggregated. A check returns what is wrong as a sentence, or None."""

import math
from collections.abc import Iterator

import numpy as np

from federation.run.config import MAX_EXAMPLES
from federation.weights.layout import Flats, NumpyArray, shortened

BLOCK = 1 << 20
"""Elements that are checked at a time, so that temporary arrays stay small."""

LARGEST = {"float16": 65504.0, "float32": 1e15, "float64": 1e150}
"""Magnitudes that may be squared, summed over a model and averaged over a round's samples and still be finite."""


def check_num_examples(value: object) -> str | None:
    """Check num_examples: a whole number from 1 to ``MAX_EXAMPLES``."""
    if value is None:
        return "num_examples is missing"
    if isinstance(value, bool) or not isinstance(value, int):
        return f"num_examples is {str(value)[:40]!r}, not a whole number"
    if not 1 <= value <= MAX_EXAMPLES:
        return f"num_examples is {shortened(str(value))}, it must be from 1 to {MAX_EXAMPLES:,}"
    return None


def check_finite(flats: Flats) -> str | None:
    """Check that no weight is NaN or infinite."""
    bad = total = 0
    for flat in flats.values():
        total += flat.size
        if flat.dtype.kind == "f" and not _has_finite_sum(flat):
            bad += sum(int(np.count_nonzero(~np.isfinite(block))) for block in _blocks(flat))
    return f"{bad:,} of {total:,} values are not finite" if bad else None


def _has_finite_sum(flat: NumpyArray) -> bool:
    """Return whether the sum is finite: then so is every value. One pass, without a temporary array.

    A sum that overflows is not finite either; the slow count decides then. Not a dot product: BLAS would start threads,
    which costs more than it saves on a busy machine.
    """
    with np.errstate(all="ignore"):
        return math.isfinite(float(np.add.reduce(flat, dtype=np.promote_types(flat.dtype, np.float32))))


def check_weights(flats: Flats) -> str | None:
    """Check that a reply's weights are finite, and small enough that no client can make the mean infinite."""
    bounds = [(flat, LARGEST[dtype]) for dtype, flat in flats.items() if dtype in LARGEST and flat.size]
    if all(-most <= flat.min() and flat.max() <= most for flat, most in bounds):  # no comparison with a NaN is true
        return None
    large = sum(int(np.count_nonzero(np.abs(block) > most)) for flat, most in bounds for block in _blocks(flat))
    total = sum(flat.size for flat in flats.values())
    return check_finite(flats) or f"{large:,} of {total:,} values are too large to be averaged"


def _blocks(flat: NumpyArray) -> Iterator[NumpyArray]:
    return (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))
