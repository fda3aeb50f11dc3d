"""Metrics over the test samples of all clients together: exact where a mean over clients is not.

Clients report counts beside their metrics, from which they are computed. Without the counts of every client of the
round there is no pooled metric, but the mean over clients, which every metric has.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from federation.run.events import Metrics

CONFUSION: Final = "confusion_counts"
"""In a reply: the samples of each class (row) by the class that they are taken for (column), row by row."""
SPREAD: Final = "target_spread"
"""In a reply: mean of the targets, and sum of their squared deviations from it."""
POOLED: Final = "_pooled"
"""The end of the names of metrics over the samples of all clients."""
OF_EACH_CLIENT: Final = frozenset({
    "auc", "auc_pr", "balanced_accuracy", "f1", "sensitivity", "specificity", "rmse", "r2",
})  # fmt: skip
"""Metrics whose mean over clients, weighted by samples, is not their value over the samples of all."""
MAX_POOLED_CLASSES = 100
"""A confusion matrix of more classes is not reported: its length grows with their square."""
MAX_COUNT = 10**9
"""Of a cell of one client: the sum over all clients stays a number that JSON carries."""

MAX_COUNTS: Final = {CONFUSION: MAX_POOLED_CLASSES**2, SPREAD: 2}
"""Names in a reply that are no metrics, and how many values each has at most."""

Confusion = Sequence[Sequence[int]]


class Counts(NamedTuple):
    """What a reply tells beside its metrics."""

    confusion: list[list[int]] | None = None
    spread: tuple[float, float] | None = None


NOT_TOLD: Final = Counts()


def read_counts(metrics: Mapping[str, Any]) -> Counts:
    """Return the counts in a reply's metrics; what has another form counts as not told."""
    if metrics.keys().isdisjoint(MAX_COUNTS):
        return NOT_TOLD
    return Counts(_confusion(metrics.get(CONFUSION)), _spread(metrics.get(SPREAD)))


def _confusion(told: object) -> list[list[int]] | None:
    if not isinstance(told, list) or not all(type(one) is int and 0 <= one <= MAX_COUNT for one in told):
        return None
    classes = math.isqrt(len(told))
    if not 2 <= classes <= MAX_POOLED_CLASSES or classes**2 != len(told):
        return None
    return [told[row * classes : (row + 1) * classes] for row in range(classes)]


def _spread(told: object) -> tuple[float, float] | None:
    if not isinstance(told, list) or len(told) != 2 or not all(type(one) is float for one in told):
        return None
    mean, squares = told
    return (mean, squares) if abs(mean) < 1e150 and 0 <= squares < 1e300 else None


def pooled_metrics(replies: Iterable[tuple[Metrics, int, Counts]]) -> Metrics:
    """Return the pooled metrics of a round's replies: their metrics, numbers of samples and counts."""
    told = list(replies)
    found = {} if not told else _of_classes([counts.confusion for *_, counts in told]) | _of_numbers(told)
    return {name + POOLED: value for name, value in found.items() if math.isfinite(value)}


def summed_confusion(counts: Iterable[Counts]) -> tuple[list[list[int]], int]:
    """Return the sum of the confusion matrices that clients share, and how many clients that are.

    Of clients with other numbers of classes those count that most agree with.
    """
    tables = [one.confusion for one in counts if one.confusion is not None]
    if not tables:
        return [], 0
    size = Counter(map(len, tables)).most_common(1)[0][0]
    alike = [table for table in tables if len(table) == size]
    rows = zip(*alike, strict=True)
    return [[sum(cells) for cells in zip(*row, strict=True)] for row in rows], len(alike)


def _of_classes(tables: Sequence[list[list[int]] | None]) -> Metrics:
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or len({len(table) for table in known}) != 1:
        return {}
    return metrics_of_confusion(summed_confusion(Counts(table) for table in known)[0])


def _of_numbers(replies: Sequence[tuple[Metrics, int, Counts]]) -> Metrics:
    if not all(math.isfinite(metrics.get("rmse", math.nan)) for metrics, *_ in replies):
        return {}
    samples = sum(examples for _, examples, _ in replies)
    squares = sum(examples * min(metrics["rmse"], 1e150) ** 2 for metrics, examples, _ in replies)
    found = {"rmse": math.sqrt(squares / samples)}
    known = [(examples, *counts.spread) for _, examples, counts in replies if counts.spread is not None]
    if len(known) == len(replies):
        mean = sum(examples * (one / samples) for examples, one, _ in known)
        spread = sum(within + examples * (one - mean) ** 2 for examples, one, within in known)
        found |= {"r2": 1 - squares / spread} if spread > 0 else {}
    return found


def metrics_of_confusion(table: Confusion) -> Metrics:
    """Return balanced accuracy and F1; of two classes, the second of which is positive, sensitivity and specificity.

    Balanced accuracy is the mean recall of the classes that have samples. F1 of more than two classes is the mean over
    those that have samples or predictions.
    """
    classes = range(len(table))
    right, actual = [table[one][one] for one in classes], [sum(table[one]) for one in classes]
    predicted = [sum(row[one] for row in table) for one in classes]
    recalls = [right[one] / actual[one] for one in classes if actual[one]]
    scores = [2 * right[one] / both if (both := actual[one] + predicted[one]) else None for one in classes]
    found: Metrics = {"balanced_accuracy": sum(recalls) / len(recalls)} if recalls else {}
    if len(table) > 2:
        known = [score for score in scores if score is not None]
        return found | ({"f1": sum(known) / len(known)} if known else {})
    named = {"f1": scores[1], "sensitivity": _share(right[1], actual[1]), "specificity": _share(right[0], actual[0])}
    return found | {name: value for name, value in named.items() if value is not None}


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
