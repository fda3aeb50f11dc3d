"""Finding and reading data sets: which copy is used, its content, and the error if there is none."""

import gzip
import importlib.util
import logging
import pickle
import socket
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.learning.data import datasets
from federation.learning.data.datasets import DataNotFound, load
from federation.learning.keras_backend import load_keras
from federation.run.data_cut import DataCut
from federation.run.networks import Dataset
from tests.support.small_data import as_idx, images, lay_cifar10, lay_fashion_mnist, lay_mnist

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty Keras home; return the folder for its data sets, which does not exist yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras").mkdir()
    return tmp_path / "keras" / "datasets"


def test_digits_equal_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    data, (pixels, labels) = load("digits"), load_digits(return_X_y=True)
    assert (data.source, data.test) == ("embedded", None)
    assert np.array_equal(data.train.images.reshape(1797, 64), pixels)
    assert np.array_equal(data.train.labels, labels)


def test_digits_are_loaded_by_scikit_learn_if_its_file_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load("digits")
    moved = ModuleSpec("sklearn", None, is_package=True)
    moved.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: moved)
    data = load("digits")
    assert np.array_equal(data.train.images, expected.train.images)
    assert np.array_equal(data.train.labels, expected.train.labels)


def test_digits_without_scikit_learn_name_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataNotFound, match="install scikit-learn"):
        load("digits")


def test_a_partition_of_digits_is_scaled_and_a_fifth_of_it_is_held_out() -> None:
    parts = [load("digits").part(part, 2, DataCut("iid", 7)) for part in range(2)]
    assert [(len(part.train), len(part.test)) for part in parts] == [(719, 180), (718, 180)]
    for part in parts:
        assert part.train.images.shape[1:] == (8, 8, 1)
        assert part.train.images.dtype == np.float32
        assert (part.train.images.min(), part.train.images.max()) == (0, 1)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_is_read_from_debians_package(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    data = load("fashion_mnist")
    assert data.source == str(DEBIAN)
    assert f"fashion_mnist: 60000 samples, 10000 for tests, from {DEBIAN}" in caplog.text
    assert data.test is not None
    assert data.train.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert round(data.train.images.mean() / 255, 4) == 0.2860  # the mean that is published with it
    part = data.part(1, 3, DataCut("dirichlet", 1, 0.5))
    assert len(part.test) == 3333
    assert 1 <= len(part.train) < 60_000


def test_fashion_mnist_is_taken_from_the_cache_before_debians_package(cache: Path) -> None:
    folder = lay_fashion_mnist(cache / "fashion-mnist")
    data = load("fashion_mnist")
    assert (data.source, len(data.train)) == (str(folder), 60)
    assert np.array_equal(data.train.images[..., 0], images(60, 28, 28)[0])


def test_mnist_is_taken_from_the_cache(cache: Path) -> None:
    file = lay_mnist(cache)
    data = load("mnist")
    assert data.test is not None
    assert (data.source, len(data.train), len(data.test)) == (str(file), 60, 20)
    assert np.array_equal(data.train.images[..., 0], images(60, 28, 28)[0])
    assert data.train.labels.tolist() == images(60, 28, 28)[1].tolist()
    assert data.part_size(0, 3) == 20 + 7


@pytest.mark.parametrize("folder", ["cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"])
def test_cifar10_is_taken_from_the_cache_with_colours_last(cache: Path, folder: str) -> None:
    lay_cifar10(cache / folder, batch=10)
    data = load("cifar10")
    assert data.test is not None
    assert data.source == str(cache / folder)
    assert data.train.images.shape == (10 + 11 + 12 + 13 + 14, 32, 32, 3)
    assert np.array_equal(data.train.images[:10], images(10, 3, 32, 32)[0].transpose(0, 2, 3, 1))
    assert np.array_equal(data.test.images, images(15, 3, 32, 32)[0].transpose(0, 2, 3, 1))


def test_a_path_names_a_file_its_folder_or_the_folder_above(tmp_path: Path, cache: Path) -> None:
    lay_mnist(cache, train=40)
    file = lay_mnist(tmp_path / "mine").rename(tmp_path / "mine" / "mnist.npz")
    renamed = lay_mnist(tmp_path / "other").rename(tmp_path / "other" / "letters.npz")
    assert [len(load("mnist", path).train) for path in (file, file.parent, renamed)] == [60, 60, 60]
    batches = lay_cifar10(tmp_path / "mine" / "cifar-10-batches-py")
    assert {load("cifar10", path).source for path in (batches, batches.parent)} == {str(batches)}


def test_a_path_without_the_data_is_refused_even_if_the_cache_has_them(tmp_path: Path, cache: Path) -> None:
    lay_fashion_mnist(cache / "fashion-mnist")
    with pytest.raises(
        DataNotFound, match=r"empty does not hold fashion_mnist: it needs train-images-idx3-ubyte\.gz, "
    ):
        load("fashion_mnist", tmp_path / "empty")


def test_digits_take_no_path_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="remove --data-path"):
        load("digits", tmp_path)
    unknown: Dataset = "letters"  # type: ignore[assignment]
    with pytest.raises(DataNotFound, match="no dataset letters: choose one of digits, mnist, fashion_mnist, cifar10"):
        load(unknown)


def test_damaged_files_are_named_with_what_to_do(cache: Path) -> None:
    file = lay_mnist(cache)
    whole = file.read_bytes()
    for damaged in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(DataNotFound, match=r"mnist\.npz is not a readable copy of mnist .*: delete it"):
            load("mnist")


@pytest.mark.parametrize("content", [b"", b"plain", pickle.dumps([1]), pickle.dumps({"data": 1, "labels": [0]})])
def test_files_that_are_not_cifar_batches_are_refused(cache: Path, content: bytes) -> None:
    (lay_cifar10(cache / "cifar-10-batches-py") / "test_batch").write_bytes(content)
    with pytest.raises(DataNotFound, match="not a readable copy of cifar10"):
        load("cifar10")


PIXELS, LABELS = images(60, 28, 28)


@pytest.mark.parametrize(
    "content",
    [
        b"plain", gzip.compress(b"plain"), as_idx(LABELS[:9]), as_idx(LABELS + 100), as_idx(PIXELS),
        as_idx(LABELS)[:30], gzip.compress(gzip.decompress(as_idx(LABELS))[:40]),
    ],
    ids=["no gzip", "no idx", "other count", "no such labels", "images", "cut", "cut before it was packed"],
)  # fmt: skip
def test_idx_files_that_cannot_be_the_labels_are_refused(cache: Path, content: bytes) -> None:
    folder = lay_fashion_mnist(cache / "fashion-mnist")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(DataNotFound, match="not a readable copy of fashion_mnist"):
        load("fashion_mnist")


class _Malicious:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.victim,)


def test_a_batch_that_would_run_code_is_refused_and_runs_none(cache: Path, tmp_path: Path) -> None:
    folder = lay_cifar10(cache / "cifar-10-batches-py")
    (folder / "data_batch_3").write_bytes(pickle.dumps({"data": _Malicious(tmp_path / "ran"), "labels": []}))
    with pytest.raises(DataNotFound, match="which a data file has no need of"):
        load("cifar10")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def keras(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Keras with the empty home: it reads KERAS_HOME only once, when it is imported."""
    keras = load_keras()
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(cache.parent))
    return keras


@pytest.mark.slow
@pytest.mark.usefixtures("keras")
def test_without_a_copy_and_a_network_connection_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as deaf:  # bound, so that nobody else listens there
        deaf.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(
            DataNotFound, match=r"cifar10 is not on this machine and cannot be downloaded .*--data-path"
        ):
            load("cifar10")


@pytest.mark.slow
@pytest.mark.usefixtures("keras")
def test_a_stalled_download_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "DOWNLOAD_SILENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DataNotFound, match="mnist is not on this machine and cannot be downloaded"):
            load("mnist")
    assert socket.getdefaulttimeout() is None


@pytest.mark.slow
def test_the_download_of_keras_is_used(keras: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = images(60, 32, 32, 3), images(20, 32, 32, 3)
    columns = tuple((pixels, labels.reshape(-1, 1)) for pixels, labels in (train, test))
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: columns)
    data = load("cifar10")
    assert data.source == f"downloaded to {cache.parent}"
    assert np.array_equal(data.train.images, train[0])
    assert data.train.labels.tolist() == train[1].tolist()
