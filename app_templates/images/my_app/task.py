"""A small convolutional network of Keras on grey images.

The images are in an .npz file with x (n, SIDE, SIDE), 0 to 255, and y (n,), which the client names: --data images.npz.
Without one the clients share scikit-learn's handwritten digits.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np

SIDE, CLASSES = 8, 10
LEARNING_RATE, BATCH = 0.01, 32


class Samples(NamedTuple):
    """Images: x (n, SIDE, SIDE, 1) in 0..1 and y (n,), 0 to CLASSES - 1."""

    x: np.ndarray
    y: np.ndarray


def load_data(node: Mapping[str, Any]) -> tuple[Samples, Samples]:
    """Return the images to train on and those to test on; ``node`` is what the client's command line says."""
    if "data" in node:
        with np.load(str(node["data"]), allow_pickle=False) as file:
            x, y = file["x"] / 255, file["y"]
    else:
        from sklearn.datasets import load_digits

        part, parts = int(node["partition-id"]), int(node["num-partitions"])
        x, y = (array[part::parts] for array in load_digits(return_X_y=True))
        x = x / 16
    x, is_test = x.reshape(-1, SIDE, SIDE, 1).astype("float32"), np.arange(len(y)) % 5 == 0
    return Samples(x[~is_test], y[~is_test]), Samples(x[is_test], y[is_test])


@cache
def model() -> keras.Model:
    """Return the network, which is compiled once in a process."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential([
        keras.Input((SIDE, SIDE, 1)),
        keras.layers.Conv2D(16, 3, activation="relu", padding="same"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ])  # fmt: skip
    network.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


@cache
def drawn() -> tuple[np.ndarray, ...]:
    """Return the weights with which the network was made."""
    return tuple(model().get_weights())


def first_weights() -> list[np.ndarray]:
    """Return what all clients start from."""
    return list(drawn())


def train(
    weights: list[np.ndarray], samples: Samples, run: Mapping[str, Any]
) -> tuple[list[np.ndarray], dict[str, float]]:
    """Pass over the images; return the new weights and the metrics."""
    network = model()
    network.set_weights(weights)
    epochs = int(run.get("local-epochs", 1))
    told = network.fit(samples.x, samples.y, batch_size=BATCH, epochs=epochs, verbose=0).history
    return network.get_weights(), {"loss": told["loss"][-1], "accuracy": told["accuracy"][-1]}


def evaluate(weights: list[np.ndarray], samples: Samples) -> dict[str, float]:
    """Return loss and accuracy."""
    network = model()
    network.set_weights(weights)
    loss, accuracy = network.evaluate(samples.x, samples.y, batch_size=256, verbose=0)
    return {"loss": float(loss), "accuracy": float(accuracy)}


if __name__ == "__main__":
    np.savez(sys.argv[1], *first_weights())
