"""The metrics of a task, computed from what a model predicts for a client's test samples, and what pools them.

The definitions are scikit-learn's. A metric that is not defined for the samples, as AUC is not for those of one class,
is not reported. Of a binary target the second class, in the order of their names, is the positive one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.spec import Unit
from federation.run.pooling import CONFUSION, MAX_POOLED_CLASSES, SPREAD, metrics_of_confusion

Labels = NDArray[np.int32]
Scores = NDArray[np.floating]
Values = dict[str, float]


def wants_all_metrics(config: Mapping[str, Any]) -> bool:
    """Say whether a task's config asks for all metrics of the target, not for loss and accuracy alone."""
    wanted = config.get("client_metrics", "basic")
    return wanted == "all" or (wanted == "auto" and config.get("schema") is not None)


def metrics_of(labels: NDArray[Any], outputs: Scores, unit: Unit) -> Values:
    """Return the metrics of outputs (n, outputs) for labels (n,): of classes, or of a number."""
    return number_metrics(labels, outputs[:, 0], unit) if outputs.shape[1] == 1 else class_metrics(labels, outputs)


def class_metrics(labels: Labels, probabilities: Scores) -> Values:
    """Return the metrics of probabilities (n, classes) for labels (n,), besides accuracy.

    AUC of several classes is the mean over those of each class against the rest. Balanced accuracy and F1 are as
    ``metrics_of_confusion`` has them.
    """
    classes = probabilities.shape[1]
    found = metrics_of_confusion(confusion(labels, probabilities).tolist())
    against_rest = [1] if classes == 2 else range(classes)
    curves = [_areas(labels == one, probabilities[:, one]) for one in against_rest]
    for name in ("auc", "auc_pr"):
        if areas := [one[name] for one in curves if name in one]:
            found[name] = float(np.mean(areas))
    return found


def confusion(labels: Labels, probabilities: Scores) -> NDArray[np.int64]:
    """Return how many samples of each class (row) are taken for each class (column)."""
    classes = probabilities.shape[1]
    pairs = labels.astype(np.int64) * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def number_metrics(targets: Scores, predicted: Scores, unit: Unit) -> Values:
    """Return mae and rmse in the unit of the target, and r², of standardised targets and predictions (n,)."""
    targets, errors = targets.astype(np.float64), (predicted - targets).astype(np.float64)
    squares, spread = float(np.mean(errors**2)), float(np.var(targets))
    found = {"mae": float(np.mean(np.abs(errors))) * unit.deviation, "rmse": squares**0.5 * unit.deviation}
    return found | ({"r2": 1 - squares / spread} if spread > 0 else {})


def counts_of(labels: NDArray[Any], outputs: Scores, unit: Unit) -> dict[str, list[Any]]:
    """Return what pools the metrics over clients, by the names that a reply has for it.

    That is a confusion matrix, or mean and spread of targets that are numbers.
    """
    if outputs.shape[1] == 1:
        targets = labels.astype(np.float64) * unit.deviation + unit.mean
        return {SPREAD: [float(targets.mean()), float(np.sum((targets - targets.mean()) ** 2))]}
    if outputs.shape[1] > MAX_POOLED_CLASSES:
        return {}
    return {CONFUSION: confusion(labels, outputs).ravel().tolist()}


def _areas(positive: NDArray[np.bool_], scores: Scores) -> Values:
    """Return the areas under the ROC curve and under that of precision and recall, by steps (average precision)."""
    positives = int(positive.sum())
    if positives in (0, len(positive)):
        return {}
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # samples with one score are one step
    hits = np.cumsum(positive[order])[ends].astype(np.float64)
    taken = ends + 1.0
    misses = taken - hits
    recall, precision = hits / positives, hits / taken
    between = (recall + np.append(0, recall[:-1])) / 2
    roc = np.sum(np.diff(misses, prepend=0) * between) / (len(positive) - positives)
    return {"auc": float(roc), "auc_pr": float(np.sum(np.diff(recall, prepend=0) * precision))}
