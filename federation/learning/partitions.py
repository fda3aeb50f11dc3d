"""The training samples of a partition of a published data set, without its images.

Which label has a sample's place in the files does not matter to partitioners that cut class by class; so the number of
samples of each class, which is published, tells the labels of each partition. The labels of the others are told by the
label files, where this machine has them; else the sizes alone are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.catalogue import CLASS_COUNTS, CLASSES, TEST_SAMPLES
from federation.learning.data.datasets import read_train_labels
from federation.learning.data.partitioning import (
    TEST_SHARE,
    Indices,
    Labels,
    TooFewSamples,
    held_out_size,
    iid_size,
    split,
)
from federation.run.data_cut import DataCut

BY_CLASS = ("dirichlet", "classes")
"""Partitioners that cut class by class."""

MAX_PARTITIONS = 10_000
"""More are not computed: the time for a cut grows with them, and a run has no more clients."""


@dataclass(frozen=True, slots=True)
class TrainSamples:
    """How many samples a client trains on, and how many of each class where that can be computed."""

    samples: int
    label_counts: Sequence[int] | None = None


def train_samples(dataset: str, partition: int, partitions: int, cut: DataCut) -> TrainSamples | None:
    """Return the training samples of a partition; None where they cannot be known before the client has cut them."""
    if dataset not in CLASS_COUNTS or not 0 <= partition < partitions <= MAX_PARTITIONS:
        return None
    if cut.seed is not None and (tables := _label_counts(dataset, partitions, cut)) is not None:
        return TrainSamples(int(tables[partition].sum()), tables[partition].tolist()) if len(tables) else None
    if cut.partitioner == "iid":
        size = iid_size(sum(CLASS_COUNTS[dataset]), partition, partitions)
        return TrainSamples(size if dataset in TEST_SAMPLES else size - held_out_size(size, TEST_SHARE))
    if cut.partitioner == "quantity" and cut.seed is not None:
        sizes = _sizes(dataset, partitions, cut)
        return TrainSamples(sizes[partition]) if sizes else None
    return None


def even_size(dataset: str, partition: int, partitions: int) -> int | None:
    """Return what a client with the published files reports before any cut: both splits of an evenly cut partition."""
    if dataset not in CLASS_COUNTS or not 0 <= partition < partitions:
        return None
    return sum(iid_size(n, partition, partitions) for n in (sum(CLASS_COUNTS[dataset]), TEST_SAMPLES.get(dataset, 0)))


def most_partitions(dataset: str) -> int | None:
    """Return into how many partitions a data set can be cut; None where there is no such limit."""
    if dataset not in CLASS_COUNTS:
        return None
    whole = sum(CLASS_COUNTS[dataset])
    return min(whole, TEST_SAMPLES[dataset]) if dataset in TEST_SAMPLES else whole // 2


@lru_cache(maxsize=32)
def _label_counts(dataset: str, partitions: int, cut: DataCut) -> NDArray[np.int32] | None:
    """Return the training samples of each class in each partition, (partitions, classes).

    None where they depend on the order of the samples, and this machine has no files to read it from; empty where there
    are too few samples for so many partitions.
    """
    labels: Labels = np.repeat(np.arange(CLASSES), CLASS_COUNTS[dataset])
    if cut.partitioner not in BY_CLASS:
        known = _labels_in_order(dataset)
        if known is None:
            return None
        labels = known
    parts = _train_parts(dataset, labels, partitions, cut)
    return np.array([np.bincount(labels[train], minlength=CLASSES) for train in parts], np.int32)


@lru_cache(maxsize=32)
def _sizes(dataset: str, partitions: int, cut: DataCut) -> Sequence[int]:
    """Return the number of training samples in each partition; empty for too many."""
    labels = np.zeros(sum(CLASS_COUNTS[dataset]), np.int64)
    return [len(train) for train in _train_parts(dataset, labels, partitions, cut)]


def _train_parts(dataset: str, labels: Labels, partitions: int, cut: DataCut) -> list[Indices]:
    try:
        parts = split(cut, labels, partitions, holds_out=dataset not in TEST_SAMPLES)
    except TooFewSamples:
        return []
    return [train for train, _ in parts]


@lru_cache(maxsize=8)
def _labels_in_order(dataset: str) -> Labels | None:
    """Return the labels of the published files in their order, if this machine has files with as many of each class."""
    labels = read_train_labels(dataset)
    if labels is None or tuple(np.bincount(labels, minlength=CLASSES).tolist()) != CLASS_COUNTS[dataset]:
        return None
    return labels.astype(np.int64)
