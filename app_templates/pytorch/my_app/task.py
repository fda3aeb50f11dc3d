"""A small network of PyTorch on scikit-learn's handwritten digits."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

CLASSES, PIXELS = 10, 64
LEARNING_RATE, BATCH = 0.1, 32


class Samples(NamedTuple):
    """Images: x (n, PIXELS) in 0..1 and y (n,), 0 to CLASSES - 1."""

    x: np.ndarray
    y: np.ndarray


def load_data(node: Mapping[str, Any]) -> tuple[Samples, Samples]:
    """Return the samples to train on and those to test on; ``node`` is what the client's command line says."""
    x, y = load_digits(return_X_y=True)
    part, parts = int(node["partition-id"]), int(node["num-partitions"])
    x, y = (x[part::parts] / 16).astype(np.float32), y[part::parts]
    is_test = np.arange(len(y)) % 5 == 0
    return Samples(x[~is_test], y[~is_test]), Samples(x[is_test], y[is_test])


def make_model() -> nn.Module:
    """Return the network, drawn by a seed."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(PIXELS, 32), nn.ReLU(), nn.Linear(32, CLASSES))


def weights_of(model: nn.Module) -> list[np.ndarray]:
    """Return the weights of a model, in the order of its state dict."""
    return [tensor.numpy().copy() for tensor in model.state_dict().values()]


def model_of(weights: list[np.ndarray]) -> nn.Module:
    """Return a model with these weights."""
    model = make_model()
    tensors = (torch.tensor(array) for array in weights)
    model.load_state_dict(dict(zip(model.state_dict(), tensors, strict=True)))
    return model


def first_weights() -> list[np.ndarray]:
    """Return what all clients start from."""
    return weights_of(make_model())


def train(
    weights: list[np.ndarray], samples: Samples, run: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Pass over the samples; return the new weights and the metrics."""
    model = model_of(weights)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, momentum=0.9)
    x, y = torch.tensor(samples.x), torch.tensor(samples.y)
    for _ in range(int(run.get("local-epochs", 1))):
        for batch in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    trained = weights_of(model)
    return trained, evaluate(trained, samples)


def evaluate(weights: list[np.ndarray], samples: Samples) -> dict[str, float]:
    """Return loss and accuracy."""
    y = torch.tensor(samples.y)
    with torch.no_grad():
        outputs = model_of(weights)(torch.tensor(samples.x))
        loss = nn.functional.cross_entropy(outputs, y)
    return {"loss": float(loss), "accuracy": float((outputs.argmax(dim=1) == y).float().mean())}


if __name__ == "__main__":
    np.savez(sys.argv[1], *first_weights())
