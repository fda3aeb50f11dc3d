"""What a reply must be before it counts. Each check answers with a sentence, or None where all is well."""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from federation.run.config import MAX_EXAMPLES
from federation.run.events import Metrics
from federation.weights.layout import NumpyArray, shortened

MAX_METRICS = 100
METRIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,63}")
BLOCK = 1 << 20

LARGEST = {"float16": 65504.0, "float32": 1e15, "float64": 1e150}
"""What may be squared, summed over a model and averaged over a round's samples without becoming infinite."""


def refuse_examples(value: Any) -> str | None:
    """Check num_examples: a whole number, 1 to ``MAX_EXAMPLES``."""
    if value is None:
        return "num_examples is missing"
    if isinstance(value, bool) or not isinstance(value, int):
        return f"num_examples is {str(value)[:40]!r}, not a whole number"
    if not 1 <= value <= MAX_EXAMPLES:
        return f"num_examples is {shortened(str(value))}, it must be from 1 to {MAX_EXAMPLES}"
    return None


def refuse_not_finite(flats: dict[str, NumpyArray]) -> str | None:
    """Check that no weight is NaN or infinite; ``flats`` holds one flat array for each dtype."""
    bad = total = 0
    for flat in flats.values():
        total += flat.size
        if flat.dtype.kind == "f" and not _surely_finite(flat):
            bad += sum(int(np.count_nonzero(~np.isfinite(block))) for block in _blocks(flat))
    return f"{bad} of {total} values are not finite" if bad else None


def _surely_finite(flat: NumpyArray) -> bool:
    """One pass without a temporary array: a NaN or an infinity survives into the sum.

    A sum that overflows looks the same; the slow count decides then. Not a dot product: BLAS would start threads, which
    costs more than it saves on a busy machine.
    """
    with np.errstate(all="ignore"):
        return math.isfinite(float(np.add.reduce(flat, dtype=np.promote_types(flat.dtype, np.float32))))


def refuse_weights(flats: dict[str, NumpyArray]) -> str | None:
    """Check a reply's weights: all finite, and none so large that one client alone makes everybody's mean infinite."""
    bounds = [(flat, LARGEST[dtype]) for dtype, flat in flats.items() if dtype in LARGEST and flat.size]
    if all(-most <= flat.min() and flat.max() <= most for flat, most in bounds):  # a NaN is within no bounds
        return None
    large = sum(int(np.count_nonzero(np.abs(block) > most)) for flat, most in bounds for block in _blocks(flat))
    total = sum(flat.size for flat in flats.values())
    return refuse_not_finite(flats) or f"{large} of {total} values are too large to be averaged"


def _blocks(flat: NumpyArray) -> Iterator[NumpyArray]:
    """Cut an array into parts that are small enough for a temporary one beside them."""
    return (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))


def clean_metrics(metrics: dict[str, Any]) -> tuple[Metrics, str | None]:
    """Keep numbers under good names, at most ``MAX_METRICS``; say what was left out. NaN and infinities stay."""
    kept: Metrics = {}
    left_out = 0
    for name, value in metrics.items():
        good = isinstance(value, int | float) and not isinstance(value, bool) and METRIC_NAME.fullmatch(name)
        if good and len(kept) < MAX_METRICS:
            kept[name] = _number(value)
        else:
            left_out += 1
    return kept, f"{left_out} metrics were left out: bad name, no number, or over {MAX_METRICS}" if left_out else None


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond float64
        return math.inf if value > 0 else -math.inf
