"""A small problem of two classes, cut into partitions, and the softmax regression that learns it."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def load_data(partition_id: int, num_partitions: int) -> tuple[Array, NDArray[np.int64]]:
    """Return samples (n, 4) and labels (n,) of one partition."""
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(200, 4))
    labels = (samples.sum(axis=1) > 0).astype(np.int64)
    return samples[partition_id::num_partitions], labels[partition_id::num_partitions]


def scores(coef: Array, intercept: Array, samples: Array) -> Array:
    """Return the probability of each class, (n, 2)."""
    logits = samples @ coef.T + intercept
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit(coef: Array, intercept: Array, samples: Array, labels: NDArray[np.int64], epochs: int, lr: float) -> float:
    """Take some steps, in place, and return the loss before the last one."""
    for _ in range(epochs):
        found = scores(coef, intercept, samples)
        loss = float(-np.log(found[np.arange(len(labels)), labels]).mean())
        found[np.arange(len(labels)), labels] -= 1
        coef -= lr * found.T @ samples / len(labels)
        intercept -= lr * found.mean(axis=0)
    return loss


def accuracy(coef: Array, intercept: Array, samples: Array, labels: NDArray[np.int64]) -> float:
    """Return the share of samples whose class is found."""
    return float((scores(coef, intercept, samples).argmax(axis=1) == labels).mean())
