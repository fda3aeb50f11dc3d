"""Sparklines: a few values as a small line without axes."""

from collections.abc import Iterable, Sequence

from webapp.formatting import share_of_range

WIDTH, HEIGHT = 88, 22


def common_scale(sparks: Iterable[Sequence[float | None]]) -> tuple[float, float]:
    """Return the lowest and the highest value of several sparklines, so that they can be compared."""
    known = [value for values in sparks for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def polyline(values: Sequence[float | None], scale: tuple[float, float]) -> str:
    """Return the points of a sparkline on a scale from low to high; what is missing is passed over."""
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return ""
    step = WIDTH / (len(values) - 1)
    return " ".join(
        f"{i * step:.1f},{HEIGHT - 2 - share_of_range(value, *scale) * (HEIGHT - 4):.1f}" for i, value in known
    )
