"""Formats of numbers and times on pages, one per kind, as Jinja filters. static/js/numbers.js has the same formats."""

from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite, isnan

THIN = "\u202f"
MINUS = "\u2212"
NOTHING = "\u2013"
BYTES = ("B", "kB", "MB", "GB", "TB", "PB")

ACCURACIES = ("accuracy", "accuracy_std", "accuracy_worst_10")
"""Metrics that are written in percent, and their differences in points."""

Number = int | float | None


def _odd(value: float) -> str:
    """Write a value that is not finite."""
    return "NaN" if isnan(value) else f"{MINUS if value < 0 else ''}infinite"


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def percent(value: Number) -> str:
    """Write a fraction: ``71.3 %``."""
    if value is None:
        return NOTHING
    return f"{_signed(f'{value * 100:.1f}')}{THIN}%" if isfinite(value) else _odd(value)


def loss(value: Number) -> str:
    """Write a loss with three decimals, a large one with fewer: ``0.816``, ``1.23e+6``."""
    if value is None:
        return NOTHING
    if not isfinite(value):
        return _odd(value)
    return _signed(f"{value:.3f}" if abs(value) < 1000 else f"{value:.2e}".replace("e+0", "e+"))


def share_of_range(value: float, low: float, high: float) -> float:
    """Return where a value lies between two ends, from 0 to 1; the middle where they are equal."""
    span = high / 2 - low / 2  # halves: the difference of two finite numbers may be infinite
    return (value / 2 - low / 2) / span if span else 0.5


def exact(value: float, scale: int = 1) -> str:
    """Write a number times a power of ten with all its digits, as people type it: the text reads as the same number."""
    if not isfinite(value):
        return str(value)
    return repr(value).removesuffix(".0") if scale == 1 else f"{(Decimal(repr(value)) * scale).normalize():f}"


def metric(value: Number, name: str) -> str:
    """Write a metric by its name: an accuracy in percent, any other as a loss."""
    return percent(value) if name in ACCURACIES else loss(value)


def change(now: Number, before: Number, name: str) -> str:
    """Write the difference of two values of a metric: ``+0.2 pt`` of an accuracy, ``−0.021`` of a loss."""
    if now is None or before is None or not isfinite(now - before):
        return NOTHING
    if name in ACCURACIES:
        return f"{_difference((now - before) * 100, 1)}{THIN}pt"
    return _difference(now - before, 3)


def _difference(value: float, digits: int) -> str:
    """Write a number with its sign; a number that rounds to 0 has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else _signed(text)


def count(value: Number) -> str:
    """Write a whole number: ``2,236,682``."""
    return NOTHING if value is None else _signed(f"{round(value):,}")


def duration(seconds: Number) -> str:
    """Write a duration: ``20 ms``, ``46.9 s``, ``23 min 41 s``, ``1 h 02 min``, ``3 d 04 h``."""
    if seconds is None or not isfinite(seconds):
        return NOTHING
    if seconds < 0.0995:
        return f"{max(0, round(seconds * 1000))}{THIN}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}{THIN}s"
    whole = int(seconds + 0.05)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}{THIN}h {whole % 3600 // 60:02d}{THIN}min"
    return f"{whole // 86400}{THIN}d {whole % 86400 // 3600:02d}{THIN}h"


def span(seconds: float) -> str:
    """Write a duration that a person chose, without zero parts: ``45 s``, ``10 min``, ``1 h``."""
    if seconds < 60:
        return f"{round(seconds)}{THIN}s"
    return duration(seconds).removesuffix(f" 00{THIN}s").removesuffix(f" 00{THIN}min")


def about(seconds: Number) -> str:
    """Write an estimated duration, rounded to its leading unit: ``about 14 min``."""
    if seconds is None or not isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"about {max(1, round(seconds))}{THIN}s"
    if seconds < 3600:
        return f"about {round(seconds / 60)}{THIN}min"
    return f"about {duration(round(seconds / 60) * 60)}"


def countdown(seconds: Number) -> str:
    """Write the time left: ``8:42``, ``1:02:05``."""
    if seconds is None or not isfinite(seconds):
        return NOTHING
    whole = max(0, int(seconds))
    head = f"{whole // 3600}:{whole % 3600 // 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return f"{head}:{whole % 60:02d}"


def size(amount: Number) -> str:
    """Write an amount of bytes with three significant digits: ``512 B``, ``38.4 kB``, ``143 MB``, ``78.7 GB``."""
    if amount is None:
        return NOTHING
    unit, *larger = BYTES
    while larger and amount >= 999.5:
        amount, (unit, *larger) = amount / 1000, larger
    return f"{amount:.3g}{THIN}{unit}"


def local(moment: datetime) -> datetime:
    """Return a moment in the server's time zone; one without a zone is UTC. Scripts rewrite it in the reader's zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone()


def clock(moment: datetime | None, now: datetime | None = None) -> str:
    """Write a moment: ``13:45:35``, one older than a day ``22 Nov``."""
    if moment is None:
        return NOTHING
    there, here = local(moment), local(now or datetime.now(UTC))
    return f"{there:%H:%M:%S}" if (here - there).total_seconds() < 86400 else f"{there.day} {there:%b}"


def day(moment: datetime | None, now: datetime | None = None) -> str:
    """Write a day: ``13:22 today``, ``yesterday``, ``22 Nov``, in another year ``22 Nov 2025``."""
    if moment is None:
        return NOTHING
    there, here = local(moment), local(now or datetime.now(UTC))
    days = (here.date() - there.date()).days
    if days == 0:
        return f"{there:%H:%M} today"
    if days == 1:
        return "yesterday"
    return f"{there.day} {there:%b}" + (f" {there.year}" if there.year != here.year else "")


def plural(amount: int, one: str, many: str = "") -> str:
    """Write a count and its noun: ``1 client``, ``2 clients``."""
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def iso(moment: datetime | None) -> str:
    """Write a moment for a machine: ISO 8601 in UTC."""
    return "" if moment is None else f"{local(moment).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


FILTERS = {
    f.__name__: f
    for f in (percent, loss, metric, change, count, duration, span, about, countdown, size, clock, day, plural, iso)
}
