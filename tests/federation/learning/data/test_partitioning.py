"""Partitioners: no sample is lost or used twice, and the same seed gives the same partitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.learning.data.partitioning import TooFewSamples, cut, hold_out, iid_size
from federation.run.choices import Partitioner

LABELS = np.arange(1000) % 10


@given(
    partitioner=st.sampled_from(["iid", "dirichlet", "classes", "quantity"]),
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=200),
    parts=st.integers(1, 50),
    alpha=st.floats(1e-6, 1000),
    seed=st.integers(0, 2**31 - 1),
    minimum=st.integers(1, 2),
    classes=st.integers(1, 10),
)
def test_every_sample_is_in_exactly_one_partition_and_none_is_too_small(
    partitioner: Partitioner, labels: list[int], parts: int, alpha: float, seed: int, minimum: int, classes: int
) -> None:
    parts = max(1, min(parts, len(labels) // 2))
    minimum = min(minimum, len(labels) // parts)
    try:
        made = cut(partitioner, np.array(labels), parts, alpha=alpha, seed=seed, classes=classes, minimum=minimum)
    except TooFewSamples:  # of the classes that so few partitions have
        assert partitioner == "classes" and parts < len(set(labels))
        return
    assert len(made) == parts
    used = sorted(np.concatenate(made).tolist())
    if partitioner == "classes" and parts < len(set(labels)):
        assert len(used) == len(set(used)), "a class that no partition has is used by none"
    else:
        assert used == list(range(len(labels)))
    assert min(len(part) for part in made) >= minimum


@pytest.mark.parametrize("partitioner", ["iid", "dirichlet", "classes", "quantity"])
def test_the_seed_decides_the_cut(partitioner: Partitioner) -> None:
    first, again, other = (
        [part.tolist() for part in cut(partitioner, LABELS, 5, alpha=0.5, seed=seed, classes=2)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_iid_partitions_are_shuffled_and_of_even_size() -> None:
    parts = cut("iid", LABELS, 7, alpha=1, seed=3)
    assert [len(part) for part in parts] == [iid_size(1000, part, 7) for part in range(7)]
    assert all(len(np.unique(LABELS[part])) == 10 for part in parts)
    assert not np.all(np.diff(parts[0]) > 0)


def test_small_alpha_gives_few_classes_and_large_alpha_similar_partitions() -> None:
    def largest_share(alpha: float) -> float:
        parts = cut("dirichlet", LABELS, 5, alpha=alpha, seed=3)
        return float(np.mean([np.bincount(LABELS[part], minlength=10).max() / len(part) for part in parts]))

    assert largest_share(0.1) > 0.3
    assert largest_share(1000) < 0.13


@pytest.mark.parametrize("partitioner", ["iid", "dirichlet", "classes", "quantity"])
def test_too_few_samples_are_refused_with_both_numbers(partitioner: Partitioner) -> None:
    with pytest.raises(TooFewSamples, match=r"^3 samples cannot be cut into 2 parts of at least 2$"):
        cut(partitioner, LABELS[:3], 2, alpha=1, seed=0, minimum=2)


@given(samples=st.integers(2, 100), share=st.floats(0, 1), seed=st.integers(0, 100))
def test_neither_side_of_a_hold_out_is_empty(samples: int, share: float, seed: int) -> None:
    kept, held_out = hold_out(np.arange(samples), share, (seed, 1))
    assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(samples))
    assert 1 <= len(held_out) < samples
    assert len(held_out) == pytest.approx(samples * share, abs=1)


@pytest.mark.parametrize(("parts", "classes"), [(10, 2), (25, 3), (7, 10), (40, 1)])
def test_each_partition_has_so_many_classes_and_a_class_is_divided_evenly(parts: int, classes: int) -> None:
    made = cut("classes", LABELS, parts, alpha=1, seed=5, classes=classes)
    tables = np.array([np.bincount(LABELS[part], minlength=10) for part in made])
    assert ((tables > 0).sum(axis=1) == classes).all()
    assert tables[np.arange(parts), np.arange(parts) % 10].all(), "partition i has class i modulo their number"
    assert all(np.ptp(column[column > 0]) <= 1 for column in tables.T)


def test_sizes_differ_the_more_the_smaller_alpha_is_and_classes_stay_even() -> None:
    def sizes(alpha: float) -> list[int]:
        return [len(part) for part in cut("quantity", LABELS, 10, alpha=alpha, seed=5)]

    assert np.std(sizes(0.2)) > 2 * np.std(sizes(5)) > 2 * np.std(sizes(500))
    largest = max(cut("quantity", LABELS, 10, alpha=0.5, seed=5), key=len)
    shares = np.bincount(LABELS[largest], minlength=10) / len(largest)
    assert shares.max() < 0.15
