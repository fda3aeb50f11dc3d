"""The training samples of a partition of a published data set, by arithmetic: no data set is opened.

Which label has a sample's place in the files does not matter to ``dirichlet``, which cuts class by class; so the number
of samples of each class, which is published, tells the labels of each partition. With ``iid`` it tells sizes only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from federation.learning.data.catalogue import CLASS_COUNTS, CLASSES, TEST_SAMPLES
from federation.learning.data.partitioning import TEST_SHARE, TooFewSamples, held_out_size, iid_size, split
from federation.run.data_cut import DataCut
from federation.run.networks import Dataset

MAX_PARTITIONS = 800
"""More are not computed: the time for a cut grows with them, and digits has too few samples."""


@dataclass(frozen=True, slots=True)
class TrainSamples:
    """How many samples a client trains on, and how many of each class where that can be computed."""

    samples: int
    label_counts: Sequence[int] | None = None


def train_samples(dataset: str, partition: int, partitions: int, cut: DataCut) -> TrainSamples | None:
    """Return the training samples of a partition; None where they cannot be known before the client has cut them."""
    known = next((name for name in CLASS_COUNTS if name == dataset), None)
    if known is None or not 0 <= partition < partitions <= MAX_PARTITIONS:
        return None
    if cut.partitioner == "iid":
        size = iid_size(sum(CLASS_COUNTS[known]), partition, partitions)
        return TrainSamples(size if known in TEST_SAMPLES else size - held_out_size(size, TEST_SHARE))
    if cut.alpha is None or cut.seed is None:
        return None
    tables = _dirichlet_counts(known, partitions, cut.alpha, cut.seed)
    return TrainSamples(sum(tables[partition]), tables[partition]) if tables else None


def even_size(dataset: str, partition: int, partitions: int) -> int | None:
    """Return what a client with the published files reports before any cut: both splits of an evenly cut partition."""
    known = next((name for name in CLASS_COUNTS if name == dataset), None)
    if known is None or not 0 <= partition < partitions:
        return None
    return sum(iid_size(n, partition, partitions) for n in (sum(CLASS_COUNTS[known]), TEST_SAMPLES.get(known, 0)))


def most_partitions(dataset: str) -> int | None:
    """Return into how many partitions a data set can be cut; None where there is no such limit."""
    known = next((name for name in CLASS_COUNTS if name == dataset), None)
    if known is None:
        return None
    whole = sum(CLASS_COUNTS[known])
    return min(whole, TEST_SAMPLES[known]) if known in TEST_SAMPLES else whole // 2


@lru_cache(maxsize=64)
def _dirichlet_counts(dataset: Dataset, partitions: int, alpha: float, seed: int) -> Sequence[Sequence[int]]:
    """Return the training samples of each class in each partition, (partitions, classes); empty for too many."""
    labels = np.repeat(np.arange(CLASSES), CLASS_COUNTS[dataset])
    try:
        parts = split("dirichlet", labels, partitions, alpha=alpha, seed=seed, holds_out=dataset not in TEST_SAMPLES)
    except TooFewSamples:
        return ()
    return [np.bincount(labels[train], minlength=CLASSES).tolist() for train, _ in parts]
