"""scikit-learn's logistic regression, trained by gradient steps, on its own handwritten digits."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

CLASSES, PIXELS = 10, 64


class Samples(NamedTuple):
    """Images: x (n, PIXELS) in 0..1 and y (n,), 0 to CLASSES - 1."""

    x: np.ndarray
    y: np.ndarray


def load_data(node: Mapping[str, Any]) -> tuple[Samples, Samples]:
    """Return the samples to train on and those to test on; ``node`` is what the client's command line says."""
    x, y = load_digits(return_X_y=True)
    part, parts = int(node["partition-id"]), int(node["num-partitions"])
    x, y = x[part::parts] / 16, y[part::parts]
    is_test = np.arange(len(y)) % 5 == 0
    return Samples(x[~is_test], y[~is_test]), Samples(x[is_test], y[is_test])


def first_weights() -> list[np.ndarray]:
    """Return what all clients start from: coefficients and intercepts."""
    return [np.zeros((CLASSES, PIXELS)), np.zeros(CLASSES)]


def train(
    weights: list[np.ndarray], samples: Samples, run: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Pass over the samples; return the new weights and the metrics."""
    model = model_of(weights)
    for _ in range(int(run.get("local-epochs", 1))):
        model.partial_fit(samples.x, samples.y, classes=model.classes_)
    return [model.coef_, model.intercept_], metrics_of(model, samples)


def evaluate(weights: list[np.ndarray], samples: Samples) -> dict[str, float]:
    """Return loss and accuracy."""
    return metrics_of(model_of(weights), samples)


def model_of(weights: list[np.ndarray]) -> SGDClassifier:
    """Return a classifier with these weights."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=0)
    model.classes_ = np.arange(CLASSES)
    model.coef_, model.intercept_ = (array.copy() for array in weights)
    return model


def metrics_of(model: SGDClassifier, samples: Samples) -> dict[str, float]:
    """Return loss and accuracy of a model."""
    probabilities = model.predict_proba(samples.x)
    loss = float(log_loss(samples.y, probabilities, labels=model.classes_))
    return {"loss": loss, "accuracy": float(np.mean(probabilities.argmax(axis=1) == samples.y))}


if __name__ == "__main__":
    np.savez(sys.argv[1], *first_weights())
