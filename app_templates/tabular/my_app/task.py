"""Logistic regression of a yes/no column of a table, in NumPy.

The table is a CSV file with numbers, which the client names: --data patients.csv --target outcome. Simulated clients
name a folder with a file for each. Without one the clients share scikit-learn's breast-cancer table.
"""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

COLUMNS = 30
"""Columns of numbers in the table, without the target: the weights have as many."""
MEAN, DEVIATION = 0.0, 1.0
"""Numbers are scaled by these. Give your table's own, or standardise it beforehand, the same way at all clients."""
LEARNING_RATE, BATCH = 0.1, 16


class Samples(NamedTuple):
    """Rows: x (n, COLUMNS) and y (n,), 0 or 1."""

    x: np.ndarray
    y: np.ndarray


def load_data(node: Mapping[str, Any]) -> tuple[Samples, Samples]:
    """Return the rows to train on and those to test on; ``node`` is what the client's command line says."""
    x, y = read_table(file_of(node), str(node["target"])) if "data" in node else shared_table(node)
    is_test = np.arange(len(y)) % 5 == 0
    return Samples(x[~is_test], y[~is_test]), Samples(x[is_test], y[is_test])


def file_of(node: Mapping[str, Any]) -> Path:
    """Return the client's file: the one that it names, or of a folder the one at the place of its partition."""
    named = Path(str(node["data"]))
    return sorted(named.glob("*.csv"))[int(node["partition-id"])] if named.is_dir() else named


def read_table(file: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a CSV file whose cells are numbers, with 0 and 1 in the target column."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = [name for name in rows[0] if name != target]
    if len(names) != COLUMNS:
        raise ValueError(f"{file} has {len(names)} columns besides {target}, the app needs {COLUMNS}")
    x = np.array([[float(row[name]) for name in names] for row in rows])
    return (x - MEAN) / DEVIATION, np.array([float(row[target]) for row in rows])


def shared_table(node: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return this client's part of a table that comes with scikit-learn, standardised."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    part, parts = int(node["partition-id"]), int(node["num-partitions"])
    return ((x - x.mean(axis=0)) / x.std(axis=0))[part::parts], y[part::parts].astype(float)


def first_weights() -> list[np.ndarray]:
    """Return what all clients start from: a weight for each column, and the intercept."""
    return [np.zeros(COLUMNS), np.zeros(1)]


def train(
    weights: list[np.ndarray], samples: Samples, run: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Take gradient steps over the rows; return the new weights and the metrics."""
    slopes, intercept = (array.copy() for array in weights)
    for _ in range(int(run.get("local-epochs", 1))):
        for start in range(0, len(samples.y), BATCH):
            x, y = samples.x[start : start + BATCH], samples.y[start : start + BATCH]
            error = probability([slopes, intercept], x) - y
            slopes -= LEARNING_RATE * x.T @ error / len(y)
            intercept -= LEARNING_RATE * error.mean()
    return [slopes, intercept], evaluate([slopes, intercept], samples)


def evaluate(weights: list[np.ndarray], samples: Samples) -> dict[str, float]:
    """Return loss and accuracy."""
    yes = np.clip(probability(weights, samples.x), 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(samples.y == 1, np.log(yes), np.log(1 - yes)))
    return {"loss": float(loss), "accuracy": float(np.mean((yes > 0.5) == samples.y))}


def probability(weights: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the probability that the target is 1 for each row."""
    return 1 / (1 + np.exp(-np.clip(x @ weights[0] + weights[1], -30, 30)))


if __name__ == "__main__":
    np.savez(sys.argv[1], *first_weights())
