"""Small data sets in the formats of the real ones, laid where Keras keeps them."""

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def images(count: int, *shape: int) -> tuple[Pixels, Pixels]:
    """Return noise with a brightness that gives the label away: (count, *shape) and (count,)."""
    labels = np.arange(count, dtype=np.uint8) % 10
    noise = np.random.default_rng(count).integers(0, 30, (count, *shape), np.uint8)
    return noise + (labels * 20).reshape(-1, *(1,) * len(shape)), labels


def lay_mnist(folder: Path, train: int = 60, test: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (x_train, y_train), (x_test, y_test) = images(train, 28, 28), images(test, 28, 28)
    np.savez(folder / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return folder / "mnist.npz"


def lay_fashion_mnist(folder: Path, train: int = 60, test: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("t10k", test)):
        pixels, labels = images(count, 28, 28)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(as_idx(pixels))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(as_idx(labels))
    return folder


def as_idx(array: Pixels) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return gzip.compress(bytes((0, 0, 8, array.ndim)) + sides + array.tobytes())


def lay_cifar10(folder: Path, batch: int = 40) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        pixels, labels = images(batch + number, 3, 32, 32)
        content: dict[bytes, Any] = {b"data": pixels.reshape(len(pixels), -1), b"labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder
