"""Readers of the formats in which data sets are published: npz, idx.gz, CIFAR's batches. Paths come from outside."""

import gzip
import math
import pickle
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMAGED = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ImportError,
    zlib.error, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip
"""The exceptions that reading raises for a file that is damaged, truncated or of another format."""

_IDX_UBYTE = 0x08


@dataclass(frozen=True)
class Samples:
    """Images (n, height, width, channels) or other inputs, with labels (n,): int32 classes, or float32 numbers."""

    images: NDArray[Any]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: NDArray[np.int64], scale: float) -> "Samples":
        """Return a copy of the samples at ``indices`` (k,), their pixels float32 and divided by ``scale``."""
        return Samples(self.images[indices].astype(np.float32) / np.float32(scale), self.labels[indices])


def samples(images: NDArray[Any], labels: Any, shape: tuple[int, int, int], classes: int) -> Samples:
    """Return what was read as ``Samples``; raises ValueError if shapes or labels are not those of the data set."""
    labels = np.asarray(labels).reshape(-1).astype(np.int32)
    if images.shape[1:] not in (shape, shape[:2]) or not 0 < len(labels) == len(images):
        raise ValueError(f"{len(labels)} labels with images of shape {images.shape}, expected n x {shape}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    return Samples(images.reshape(-1, *shape), labels)


def read_npz(file: Path) -> tuple[NDArray[Any], ...]:
    """Return train images, train labels, test images and test labels of Keras' ``mnist.npz``."""
    with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return tuple(arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))


def read_idx_files(*files: Path) -> tuple[NDArray[Any], ...]:
    """Return the array of each gzipped idx file, see ``read_idx``."""
    return tuple(read_idx(file) for file in files)


def read_idx(file: Path) -> NDArray[np.uint8]:
    """Read a gzipped idx file of unsigned bytes: two zero bytes, type, number of axes, big-endian sides, elements."""
    content = gzip.decompress(file.read_bytes())
    if len(content) < 4 or content[:3] != bytes((0, 0, _IDX_UBYTE)):
        raise ValueError("not an idx file of unsigned bytes")
    start = 4 + 4 * content[3]
    sides = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    if len(content) - start != math.prod(sides):
        raise ValueError(f"{len(content) - start:,} bytes for sides {sides}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sides)


def read_cifar(*files: Path) -> tuple[NDArray[Any], ...]:
    """Return train images, train labels, test images and test labels of CIFAR-10's Python batches, the test batch last.

    A batch is a pickled dict: ``data`` (n, 3072) bytes, channel by channel, and ``labels``.
    """
    batches = [_read_batch(file) for file in files]
    images, labels = [image for image, _ in batches], [label for _, label in batches]
    return np.concatenate(images[:-1]), np.concatenate(labels[:-1]), images[-1], labels[-1]


def _read_batch(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    with open(file, "rb") as stream:
        batch = _ArraysOnly(stream, encoding="bytes").load()
    named = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    images = np.asarray(named["data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(named["labels"], np.int32)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles plain values and numpy arrays only: a pickle may call any function, and data files need none."""

    _ALLOWED = frozenset({
        ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
        ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    })  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class; raises UnpicklingError for any other."""
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"names {module}.{name}, which a data file has no need of")
        return super().find_class(module, name)
