"""What is computed of a partition is what the client cuts from the files."""

import numpy as np
import pytest

from federation.learning.data import datasets
from federation.learning.data.catalogue import CLASS_COUNTS, TEST_SAMPLES
from federation.learning.data.datasets import Data
from federation.learning.data.formats import Samples
from federation.learning.partitions import BY_CLASS, MAX_PARTITIONS, even_size, train_samples
from federation.run.data_cut import DataCut


def as_published() -> Data:
    """Return a data set with as many samples of each class as MNIST has, in an order of its own."""
    labels = np.repeat(np.arange(10, dtype=np.int32), CLASS_COUNTS["mnist"])
    shuffled = np.random.default_rng(5).permutation(labels)
    train = Samples(np.zeros((len(labels), 1, 1, 1), np.uint8), shuffled)
    test = Samples(np.zeros((10_000, 1, 1, 1), np.uint8), np.zeros(10_000, np.int32))
    return Data("mnist", train, test, 255.0, "memory")


@pytest.fixture(scope="module", params=["digits", "mnist"])
def data(request: pytest.FixtureRequest) -> Data:
    return datasets.load("digits") if request.param == "digits" else as_published()


@pytest.mark.parametrize("cut", [
    DataCut("iid", 7), DataCut("dirichlet", 7, 0.3), DataCut("dirichlet", 8, 0.3), DataCut("dirichlet", 7, 50.0),
    DataCut("dirichlet", 7, 0.001), DataCut("classes", 7, classes=2), DataCut("quantity", 7, 0.5),
])  # fmt: skip
@pytest.mark.parametrize("partitions", [1, 3, 10])
def test_the_samples_and_labels_of_a_partition_are_computed(data: Data, cut: DataCut, partitions: int) -> None:
    for partition in {0, partitions - 1}:
        known = train_samples(data.name, partition, partitions, cut)
        part = data.part(partition, partitions, cut)
        assert known is not None and known.samples == len(part.train)
        if cut.partitioner in BY_CLASS or data.name == "digits":  # whose files are here; those of MNIST are not
            assert known.label_counts == np.bincount(part.train.labels, minlength=10).tolist()
        assert even_size(data.name, partition, partitions) == data.part_size(partition, partitions)


def test_the_published_numbers_are_those_of_the_files(data: Data) -> None:
    assert tuple(np.bincount(data.train.labels)) == CLASS_COUNTS[data.name]
    assert (len(data.test) if data.test else None) == TEST_SAMPLES.get(data.name)


def test_what_cannot_be_known_is_not_claimed() -> None:
    drawn_later = DataCut("dirichlet", None, 0.3)
    assert train_samples("digits", 0, 3, drawn_later) is None
    evenly = train_samples("digits", 0, 3, DataCut("iid", None))
    assert evenly is not None and (evenly.samples, evenly.label_counts) == (479, None)
    for cut in (DataCut("iid", 1), DataCut("dirichlet", 1, 0.3)):
        assert train_samples("scans", 0, 3, cut) is None
        assert train_samples("digits", 3, 3, cut) is None
        assert train_samples("digits", 0, MAX_PARTITIONS + 1, cut) is None
        assert train_samples("digits", 0, 0, cut) is None


def test_the_labels_of_debians_files_are_computed_as_clients_cut_them() -> None:
    data = datasets.load("fashion_mnist")
    for cut in (DataCut("iid", 7), DataCut("quantity", 7, 0.5), DataCut("classes", 7, classes=3)):
        part = data.part(999, 1000, cut)
        known = train_samples("fashion_mnist", 999, 1000, cut)
        assert known is not None
        assert known.label_counts == np.bincount(part.train.labels, minlength=10).tolist()


def test_the_noise_of_a_client_is_its_share_of_sigma_and_the_same_each_time() -> None:
    data = datasets.load("digits")

    def images(partition: int, noise: float, seed: int = 7) -> list[np.ndarray]:
        part = data.part(partition, 4, DataCut("iid", seed), noise)
        return [part.train.images, part.test.images]

    for partition in range(4):
        for clean, noisy, again in zip(*(images(partition, s) for s in (0.0, 0.4, 0.4)), strict=True):
            assert np.std(noisy - clean) == pytest.approx(0.1 * (partition + 1), rel=0.05)
            assert np.array_equal(noisy, again)


def test_a_stored_cut_is_read_again_and_nothing_else_is() -> None:
    config = {"network": "mlp", "partitioner": "dirichlet", "dirichlet_alpha": 1.0, "seed": 7, "data_seed": None}
    cut = DataCut.of(config)
    assert cut == DataCut("dirichlet", 7, 1.0) == DataCut.from_json(cut.to_json() if cut else None)
    assert DataCut.of(config, drawn=False) == DataCut("dirichlet", None, 1.0)
    assert DataCut.of({**config, "data_seed": 3, "partitioner": "iid"}, drawn=False) == DataCut("iid", 3)
    assert DataCut.of({**config, "network": "synthetic"}) is None
    for cut in (DataCut("classes", 7, classes=3), DataCut("quantity", 7, 0.3), DataCut("iid", 7)):
        assert DataCut.from_json(cut.to_json()) == cut
    for stored in (None, 5, {}, {"partitioner": "classes", "seed": 7, "alpha": None},
                   {"partitioner": "iid"}, {"partitioner": "iid", "seed": "7", "alpha": None},
                   {"partitioner": "iid", "seed": 7, "alpha": 0.3}):  # fmt: skip
        assert DataCut.from_json(stored) is None
