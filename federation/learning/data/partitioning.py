"""Partitioners: cut samples into the clients' partitions by index and label. No data set is opened here."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.choices import Partitioner
from federation.run.data_cut import DataCut

Indices = NDArray[np.int64]
Labels = NDArray[np.integer[Any]]


TEST_SHARE = 0.2
"""Share of a partition that the client holds out for tests if the data set has no test split of its own."""


class TooFewSamples(ValueError):
    """There are fewer samples than the partitions need; the sentence names both numbers."""


def cut(partitioner: Partitioner, labels: Labels, parts: int, *, alpha: float, seed: int, classes: int = 1,
        minimum: int = 1) -> list[Indices]:  # fmt: skip
    """Cut the samples by the named partitioner and return the indices of each partition.

    ``alpha`` is for dirichlet and quantity, ``classes`` for classes. Every sample is in exactly one partition (with
    ``classes``, in at most one), every partition has at least ``minimum`` samples, and the same arguments give the same
    partitions.

    Raises
    ------
    TooFewSamples
        If there are fewer than ``parts`` times ``minimum`` samples.
    """
    if len(labels) < parts * minimum:
        raise TooFewSamples(f"{len(labels):,} samples cannot be cut into {parts:,} parts of at least {minimum:,}")
    rng = np.random.default_rng(seed)
    match partitioner:
        case "iid":
            return iid(len(labels), parts, rng)
        case "dirichlet":
            return dirichlet(labels, parts, alpha, rng, minimum)
        case "classes":
            return by_classes(labels, parts, classes, rng, minimum)
        case "quantity":
            return by_quantity(len(labels), parts, alpha, rng, minimum)


def iid(samples: int, parts: int, rng: np.random.Generator) -> list[Indices]:
    """Shuffle, then cut evenly: sizes differ by at most one."""
    return np.array_split(rng.permutation(samples), parts)


def iid_size(samples: int, part: int, parts: int) -> int:
    """Return the size of a partition that ``iid`` makes; it does not depend on the seed."""
    return samples // parts + (part < samples % parts)


def dirichlet(labels: Labels, parts: int, alpha: float, rng: np.random.Generator, minimum: int) -> list[Indices]:
    """Cut each class by shares drawn from a symmetric Dirichlet distribution with concentration ``alpha``.

    A small alpha gives each partition few classes, a large one about the same share of every class (Hsu, Qi and Brown
    2019, arXiv:1909.06335). The paper leaves partitions empty; here the largest one fills those below ``minimum``.
    """
    shares: list[list[Indices]] = [[] for _ in range(parts)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum(rng.dirichlet(np.full(parts, alpha)))[:-1] * len(members)
        for share, piece in zip(shares, np.split(members, ends.round().astype(np.int64)), strict=True):
            share.append(piece)
    return _fill_up([rng.permutation(np.concatenate(share)) for share in shares], minimum)


def by_classes(labels: Labels, parts: int, classes: int, rng: np.random.Generator, minimum: int) -> list[Indices]:
    """Give each partition samples of ``classes`` classes: "#C = k", the pathological cut.

    Partition i has class i modulo their number and others at random; the samples of a class are divided evenly among
    the partitions that have it (Li, Diao, Chen and He 2022, arXiv:2102.02079, section IV; their code does the same). A
    class that no partition has, which only fewer partitions than classes leave, is used by none. Where a class has too
    few samples for its partitions, the largest partition fills those below ``minimum``, with classes of its own.
    """
    kinds = np.unique(labels)
    has: list[list[int]] = [[] for _ in kinds]
    for part in range(parts):
        first = part % len(kinds)
        others = rng.permutation(np.delete(np.arange(len(kinds)), first))[: min(classes, len(kinds)) - 1]
        for kind in (first, *others.tolist()):
            has[kind].append(part)
    shares: list[list[Indices]] = [[] for _ in range(parts)]
    for kind, owners in zip(kinds, has, strict=True):
        members = rng.permutation(np.flatnonzero(labels == kind))
        for part, piece in zip(owners, np.array_split(members, max(1, len(owners))), strict=False):
            shares[part].append(piece)
    return _fill_up([rng.permutation(np.concatenate(share)) for share in shares], minimum)


def by_quantity(samples: int, parts: int, alpha: float, rng: np.random.Generator, minimum: int) -> list[Indices]:
    """Shuffle, then cut into sizes drawn from a symmetric Dirichlet distribution with concentration ``alpha``.

    The classes of each partition are as even as chance makes them (Li et al. 2022, arXiv:2102.02079, section IV). The
    paper draws again until every partition has ten samples; here the largest one fills those below ``minimum``.
    """
    ends = np.cumsum(rng.dirichlet(np.full(parts, alpha)))[:-1] * samples
    return _fill_up(np.split(rng.permutation(samples), ends.round().astype(np.int64)), minimum)


def _fill_up(parts: list[Indices], minimum: int) -> list[Indices]:
    """Move samples of the largest partition, the first of equal ones, into each that has fewer than ``minimum``."""
    if (used := sum(map(len, parts))) < len(parts) * minimum:
        raise TooFewSamples(f"{used:,} samples cannot be cut into {len(parts):,} parts of at least {minimum:,}")
    by_size = [(-len(indices), part) for part, indices in enumerate(parts)]
    heapify(by_size)
    for small in range(len(parts)):
        while (missing := minimum - len(parts[small])) > 0:
            size, large = heappop(by_size)
            if -size != len(parts[large]):
                continue  # it has been given samples since
            moved = min(missing, len(parts[large]) - minimum)
            parts[small] = np.concatenate([parts[small], parts[large][:moved]])
            parts[large] = parts[large][moved:]
            heappush(by_size, (-len(parts[large]), large))
    return parts


def split(how: DataCut, labels: Labels, parts: int, *, holds_out: bool) -> list[tuple[Indices, Indices]]:
    """Cut the samples and return the (train, test) indices of each partition; raises TooFewSamples.

    ``test`` is empty unless each partition ``holds_out`` some of its samples.
    """
    alpha, seed, classes, minimum = how.alpha or 1.0, how.seed or 0, how.classes or 1, 2 if holds_out else 1
    found = cut(how.partitioner, labels, parts, alpha=alpha, seed=seed, classes=classes, minimum=minimum)
    return [
        hold_out(mine, TEST_SHARE, (seed, part)) if holds_out else (mine, mine[:0]) for part, mine in enumerate(found)
    ]


def hold_out(indices: Indices, share: float, seed: Sequence[int]) -> tuple[Indices, Indices]:
    """Shuffle two or more indices and split them into (kept, held out), of which neither is empty."""
    shuffled, held_out = np.random.default_rng(seed).permutation(indices), held_out_size(len(indices), share)
    return shuffled[held_out:], shuffled[:held_out]


def held_out_size(samples: int, share: float) -> int:
    """Return how many of so many samples ``hold_out`` holds out."""
    return min(max(1, round(samples * share)), samples - 1)
