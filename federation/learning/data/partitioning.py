"""How samples are cut into the clients' parts, by index and label only; numpy, no data set is opened here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.config import Partitioner

Indices = NDArray[np.int64]
Labels = NDArray[np.integer[Any]]


class TooFewSamples(ValueError):
    """There are not enough samples for so many parts; the sentence names both numbers."""


def cut(partitioner: Partitioner, labels: Labels, parts: int, *, alpha: float, seed: int,
        minimum: int = 1) -> list[Indices]:  # fmt: skip
    """Cut the samples by the named partitioner; ``alpha`` matters to dirichlet only.

    Every sample is in exactly one part, every part has at least ``minimum``; the same arguments give the same parts.

    Raises
    ------
    TooFewSamples
        Where ``parts`` times ``minimum`` is more than there is.
    """
    if len(labels) < parts * minimum:
        raise TooFewSamples(f"{len(labels)} samples cannot be cut into {parts} parts of at least {minimum}")
    rng = np.random.default_rng(seed)
    if partitioner == "iid":
        return iid(len(labels), parts, rng)
    return dirichlet(labels, parts, alpha, rng, minimum)


def iid(samples: int, parts: int, rng: np.random.Generator) -> list[Indices]:
    """Shuffle, then cut evenly: the parts' sizes differ by one at most."""
    return np.array_split(rng.permutation(samples), parts)


def iid_size(samples: int, part: int, parts: int) -> int:
    """Return the size of a part that ``iid`` makes, which no seed changes."""
    return samples // parts + (part < samples % parts)


def dirichlet(labels: Labels, parts: int, alpha: float, rng: np.random.Generator, minimum: int) -> list[Indices]:
    """Cut each class by shares drawn from a symmetric Dirichlet distribution with concentration ``alpha``.

    Small alpha gives each part few classes, large alpha all of them alike (Hsu, Qi and Brown 2019, arXiv:1909.06335).
    Parts below ``minimum`` are filled up from the largest one, where the paper leaves them empty.
    """
    shares: list[list[Indices]] = [[] for _ in range(parts)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum(rng.dirichlet(np.full(parts, alpha)))[:-1] * len(members)
        for share, piece in zip(shares, np.split(members, ends.round().astype(np.int64)), strict=True):
            share.append(piece)
    return _fill_up([rng.permutation(np.concatenate(share)) for share in shares], minimum)


def _fill_up(parts: list[Indices], minimum: int) -> list[Indices]:
    for small in range(len(parts)):
        while (missing := minimum - len(parts[small])) > 0:
            large = max(range(len(parts)), key=lambda part: len(parts[part]))
            moved = min(missing, len(parts[large]) - minimum)
            parts[small] = np.concatenate([parts[small], parts[large][:moved]])
            parts[large] = parts[large][moved:]
    return parts


def hold_out(indices: Indices, share: float, seed: Sequence[int]) -> tuple[Indices, Indices]:
    """Shuffle and split into (kept, held out); both have at least one of the two or more samples."""
    shuffled = np.random.default_rng(seed).permutation(indices)
    held_out = min(max(1, round(len(indices) * share)), len(indices) - 1)
    return shuffled[held_out:], shuffled[:held_out]
