"""Metrics of a target are scikit-learn's, and those that are pooled over clients equal them over all samples."""

from typing import Any

import numpy as np
import pytest

from federation.aggregation.round_aggregation import mean_metrics
from federation.learning.spec import Unit
from federation.learning.training.metrics import class_metrics, counts_of, metrics_of
from federation.run.metric_goals import MetricGoals
from federation.run.metric_names import clean_metrics
from federation.run.pooling import pooled_metrics, read_counts

UNIT = Unit(40.0, 12.5)


def predictions(seed: int, rows: int, classes: int) -> tuple[Any, Any]:
    """Labels, and probabilities that know something of them; many are equal, as those of a tree are."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows).astype(np.int32)
    scores = rng.random((rows, classes)).round(1) + 0.4 * np.eye(classes)[labels] + 0.01
    return labels, (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_two_classes_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics as theirs  # takes two seconds

    labels, probabilities = predictions(seed, 97, 2)
    positive, taken = probabilities[:, 1], probabilities.argmax(axis=1)
    assert class_metrics(labels, probabilities) == pytest.approx({
        "auc": theirs.roc_auc_score(labels, positive), "auc_pr": theirs.average_precision_score(labels, positive),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels, taken), "f1": theirs.f1_score(labels, taken),
        "sensitivity": theirs.recall_score(labels, taken), "specificity": theirs.recall_score(1 - labels, 1 - taken),
    })  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_several_classes_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics as theirs  # takes two seconds

    labels, probabilities = predictions(seed, 61, 4)
    probabilities = probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    taken = probabilities.argmax(axis=1)
    one_hot = np.eye(4)[labels]
    assert class_metrics(labels, probabilities) == pytest.approx({
        "auc": theirs.roc_auc_score(labels, probabilities, multi_class="ovr"),
        "auc_pr": theirs.average_precision_score(one_hot, probabilities, average="macro"),
        "balanced_accuracy": theirs.balanced_accuracy_score(labels, taken),
        "f1": theirs.f1_score(labels, taken, average="macro"),
    })  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_a_number_are_those_of_scikit_learn_in_its_unit(seed: int) -> None:
    from sklearn import metrics as theirs  # takes two seconds

    rng = np.random.default_rng(seed)
    targets = rng.standard_normal(50).astype(np.float32)
    predicted = targets + rng.normal(scale=0.3, size=50).astype(np.float32)
    real, guessed = (one.astype(np.float64) * UNIT.deviation + UNIT.mean for one in (targets, predicted))
    assert metrics_of(targets, predicted[:, None], UNIT) == pytest.approx({
        "mae": theirs.mean_absolute_error(real, guessed), "rmse": theirs.root_mean_squared_error(real, guessed),
        "r2": theirs.r2_score(real, guessed),
    }, rel=1e-5)  # fmt: skip


def test_what_is_not_defined_for_a_clients_samples_is_left_out() -> None:
    ones, probabilities = np.ones(3, np.int32), np.full((3, 2), 0.5, np.float32)
    assert set(class_metrics(ones, probabilities)) == {"balanced_accuracy", "f1", "sensitivity"}
    assert set(metrics_of(np.ones(2, np.float32), np.zeros((2, 1), np.float32), UNIT)) == {"mae", "rmse"}


@pytest.mark.parametrize("classes", [2, 5])
def test_pooled_metrics_of_classes_equal_those_over_all_samples(classes: int) -> None:
    parts = [predictions(seed, rows, classes) for seed, rows in ((1, 7), (2, 90), (3, 31))]
    labels, probabilities = (np.concatenate(side) for side in zip(*parts, strict=True))
    whole = class_metrics(labels, probabilities)
    pooled = pooled_metrics(_reply(*part) for part in parts)
    assert pooled == pytest.approx({f"{n}_pooled": v for n, v in whole.items() if not n.startswith("auc")})
    means = mean_metrics(_reply(*part)[:2] for part in parts)
    assert means["f1"] != pytest.approx(whole["f1"]), "the mean of clients is another number, and named otherwise"


def test_pooled_metrics_of_a_number_equal_those_over_all_samples() -> None:
    rng = np.random.default_rng(5)
    parts = []
    for rows, center in ((5, 3.0), (80, -1.0), (40, 0.5)):
        targets = (rng.standard_normal(rows) + center).astype(np.float32)
        parts.append((targets, (targets + rng.normal(size=rows).astype(np.float32))[:, None]))
    targets, outputs = (np.concatenate(side) for side in zip(*parts, strict=True))
    whole = metrics_of(targets, outputs, UNIT)
    pooled = pooled_metrics(_reply(*part) for part in parts)
    assert pooled == pytest.approx({"rmse_pooled": whole["rmse"], "r2_pooled": whole["r2"]}, rel=1e-5)


def test_without_the_counts_of_every_client_nothing_is_pooled_but_rmse() -> None:
    one, other = (_reply(*predictions(seed, 20, 3)) for seed in (1, 2))
    silent = (other[0], other[1], read_counts({}))
    assert pooled_metrics([one, silent]) == {}
    assert pooled_metrics([]) == {}


@pytest.mark.parametrize("told", [
    {"confusion_counts": [1, 2, 3]}, {"confusion_counts": [1, 2, 3, -4]}, {"confusion_counts": [1.0, 2, 3, 4]},
    {"confusion_counts": [True] * 4}, {"confusion_counts": "1234"}, {"confusion_counts": [1] * 101**2},
    {"target_spread": [1.0]}, {"target_spread": [float("nan"), 1.0]}, {"target_spread": [1.0, -1.0]},
    {"target_spread": [1.0, float("inf")]},
])  # fmt: skip
def test_counts_of_another_form_count_as_not_told(told: dict[str, Any]) -> None:
    assert read_counts(told) == (None, None)
    assert clean_metrics(told | {"f1": 0.5}) == ({"f1": 0.5}, {}), "counts are no metrics"


def test_it_is_known_which_values_of_every_metric_are_better() -> None:
    less = {name: MetricGoals().less_is_better(name) for name in ("mae", "rmse", "rmse_pooled", "loss")}
    more = ("auc", "auc_pr", "balanced_accuracy", "f1", "f1_pooled", "sensitivity_pooled", "specificity", "r2_pooled")
    assert set(less.values()) == {True}
    assert {MetricGoals().less_is_better(name) for name in more} == {False}


def _reply(labels: Any, outputs: Any) -> tuple[Any, int, Any]:
    return metrics_of(labels, outputs, UNIT), len(labels), read_counts(counts_of(labels, outputs, UNIT))
