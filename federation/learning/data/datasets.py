"""Find, read or download a data set, and cut out the partition that a client holds."""

import importlib.util
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.catalogue import CLASSES, SHAPES
from federation.learning.data.formats import DAMAGED, Samples, read_cifar, read_idx, read_idx_files, read_npz, samples
from federation.learning.data.partitioning import iid_size, split
from federation.learning.keras_backend import load_keras
from federation.run.data_cut import DataCut
from federation.run.networks import Dataset

log = logging.getLogger(__name__)

DOWNLOAD_SILENCE_SECONDS = 20.0
"""A download that receives nothing for this long fails."""

_DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class DataNotFound(Exception):
    """There is no usable copy of a data set; the sentence says what a person can do."""


@dataclass(frozen=True)
class Part:
    """The partition that one client trains and evaluates on: float32 images, scaled to 0..1."""

    train: Samples
    test: Samples


@dataclass(frozen=True, eq=False)
class Data:
    """A whole data set as its files hold it; two are equal if they are the same object.

    Pixels are 0 to ``scale``; ``test`` is None if the data set has no test split; ``source`` is a path or a word for
    people.
    """

    name: Dataset
    train: Samples
    test: Samples | None
    scale: float
    source: str

    def part(self, partition: int, partitions: int, cut: DataCut, noise: float = 0.0) -> Part:
        """Cut the data set into ``partitions`` and return one of them; raises TooFewSamples.

        A test split is cut evenly, whatever the partitioner; without one, ``TEST_SHARE`` of the partition is held out.

        With ``noise`` σ, Gaussian noise is added to the images of client i of N, test samples as well, with the
        standard deviation σ·i/N, i counted from 1: feature skew as in NIID-Bench (Li et al. 2022, arXiv:2102.02079,
        section IV). It is a property of the client's data, the same in every round; their code draws it anew at each
        access.
        """
        train, test = _indices(self, partitions, cut)[partition]
        held_out = self.train if self.test is None else self.test
        part = Part(self.train.subset(train, self.scale), held_out.subset(test, self.scale))
        if noise:
            rng = np.random.default_rng((cut.seed or 0, partition, 1))
            for samples_ in (part.train, part.test):
                level = np.float32(noise * (partition + 1) / partitions)
                samples_.images[...] += level * rng.standard_normal(samples_.images.shape, np.float32)
        return part

    def part_size(self, partition: int, partitions: int) -> int:
        """Return the number of samples, both splits together, in an evenly cut partition."""
        splits = [self.train] if self.test is None else [self.train, self.test]
        return sum(iid_size(len(split), partition, partitions) for split in splits)


@lru_cache(maxsize=2)
def _indices(data: Data, partitions: int, cut: DataCut) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the (train, test) indices of every partition: many virtual clients in one process ask for the same cut."""
    parts = split(cut, data.train.labels, partitions, holds_out=data.test is None)
    if data.test is None:
        return parts
    tests = split(replace(cut, partitioner="iid"), data.test.labels, partitions, holds_out=False)
    return [(train, test) for (train, _), (test, _) in zip(parts, tests, strict=True)]


@dataclass(frozen=True)
class _Published:
    """The files of a published data set: their names, their reader, and the folders that may hold them.

    ``cached`` are folders below Keras' cache (or below ``--data-path``), ``installed`` are absolute.
    """

    files: tuple[str, ...]
    read: Callable[..., tuple[NDArray[Any], ...]]
    cached: tuple[str, ...]
    installed: tuple[Path, ...] = ()


_PUBLISHED: dict[str, _Published] = {
    "mnist": _Published(("mnist.npz",), read_npz, ("",)),
    "fashion_mnist": _Published(
        tuple(f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")),
        read_idx_files, ("fashion-mnist",), (_DEBIAN_FASHION_MNIST,),
    ),
    "cifar10": _Published(
        (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
        read_cifar, ("cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"),
    ),
}  # fmt: skip


def load(name: Dataset, path: Path | None = None) -> Data:
    """Find and read a data set: in ``path`` if it is given, else in Keras' cache, a system package, or by a download.

    Raises
    ------
    DataNotFound
        If there is no copy, or its files cannot be read.
    """
    data = _load_digits(path) if name == "digits" else _load_published(name, path)
    tests = "no test split" if data.test is None else f"{len(data.test)} for tests"
    log.info("%s: %d samples, %s, from %s", name, len(data.train), tests, data.source)
    return data


def _load_published(name: Dataset, path: Path | None) -> Data:
    published = _PUBLISHED.get(name)
    if published is None:
        raise DataNotFound(f"There is no dataset {name}: choose one of {', '.join(SHAPES)}.")
    for files in _places(published, path):
        if all(file.is_file() for file in files):
            return _read(name, published, files)
    if path is not None:
        raise DataNotFound(f"{path} does not hold {name}: it needs {', '.join(published.files)}.")
    return _download(name)


def _places(published: _Published, path: Path | None) -> Iterator[tuple[Path, ...]]:
    """Yield the file paths to try, in order of preference."""
    if path is not None and path.is_file() and len(published.files) == 1:
        yield (path,)
    above = keras_home() / "datasets" if path is None else path
    folders = [above / folder for folder in published.cached]
    folders += published.installed if path is None else [path]
    for folder in folders:
        yield tuple(folder / file for file in published.files)


def keras_home() -> Path:
    """Return the folder in which Keras keeps its downloads: under /tmp where the user has no home of its own."""
    home = os.path.expanduser("~")  # "~" for a user id without an account
    return Path(os.environ.get("KERAS_HOME") or Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras")


def _read(name: Dataset, published: _Published, files: tuple[Path, ...]) -> Data:
    source = files[0] if len(files) == 1 else files[0].parent
    try:
        return _as_data(name, published.read(*files), str(source))
    except DAMAGED as error:
        advice = "delete it, or wait for its download to finish, and start again"
        raise DataNotFound(f"{source} is not a readable copy of {name} ({error}): {advice}.") from error


def _as_data(name: Dataset, arrays: tuple[NDArray[Any], ...], source: str) -> Data:
    train_images, train_labels, test_images, test_labels = arrays
    train, test = (
        samples(images, labels, SHAPES[name], CLASSES)
        for images, labels in ((train_images, train_labels), (test_images, test_labels))
    )
    return Data(name, train, test, 255.0, source)


def _download(name: Dataset) -> Data:
    """Let Keras download the data set into its cache; a server that stops sending ends it."""
    log.info("%s is not on this machine: downloading it to %s", name, keras_home())
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SILENCE_SECONDS)
    try:
        train, test = getattr(load_keras().datasets, name).load_data()
        return _as_data(name, (*train, *test), f"downloaded to {keras_home()}")
    except Exception as error:  # Keras raises bare Exceptions when a download fails
        needed = ", ".join(_PUBLISHED[name].files)
        raise DataNotFound(
            f"{name} is not on this machine and cannot be downloaded ({error}): "
            f"copy {needed} to a folder and pass it with --data-path, or choose the dataset digits."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _load_digits(path: Path | None) -> Data:
    if path is not None:
        raise DataNotFound("The dataset digits comes with scikit-learn: remove --data-path.")
    images, labels = _read_digits()
    whole = samples(images.reshape(-1, 8, 8), labels, SHAPES["digits"], CLASSES)
    return Data("digits", whole, None, 16.0, "embedded")


def read_train_labels(name: str) -> NDArray[Any] | None:
    """Return the training labels in the order of the published files, if they are on this machine; else None.

    Nothing is downloaded. Of CIFAR-10, whose labels are among its images, it returns None.
    """
    try:
        if name == "digits":
            return _read_digits()[1]
        for files in _places(_PUBLISHED[name], None) if name in ("mnist", "fashion_mnist") else ():
            if all(file.is_file() for file in files):
                return read_idx(files[1]) if len(files) > 1 else np.load(files[0], allow_pickle=False)["y_train"]
    except (DataNotFound, *DAMAGED):
        log.debug("the labels of %s cannot be read", name, exc_info=True)
    return None


def _read_digits() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the 1,797 images (n, 64) of scikit-learn's ``load_digits``, pixels 0..16, and their labels.

    The file is read from the package's folder, because importing scikit-learn takes two seconds and 100 MB.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataNotFound("The dataset digits comes with scikit-learn, which is not installed: install scikit-learn.")
    file = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    if file.is_file():
        table = np.loadtxt(file, np.uint8, delimiter=",")
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.astype(np.uint8), labels
