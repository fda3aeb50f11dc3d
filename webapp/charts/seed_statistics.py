"""Mean and standard deviation over seeds, and how sure the best configuration is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one configuration by seed. ``deviation`` is that of the sample (n - 1); None for one value."""

    values: Mapping[int, float]

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def mean(self) -> float | None:
        """The mean; None without a value."""
        return float(np.mean(list(self.values.values()))) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation; None for fewer than two values."""
        return float(np.std(list(self.values.values()), ddof=1)) if self.n > 1 else None


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of the differences by seed, and the ends of its 95 % interval by Student's t distribution."""

    seeds: int
    mean: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_difference(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """Return how much ``one`` exceeds ``other``, paired by seed; None where fewer than two seeds have both."""
    from scipy.special import stdtrit  # imported at need: it takes a second and 15 MB

    pairs = [one[seed] - other[seed] for seed in one if seed in other]
    if len(pairs) < 2:
        return None
    mean, n = float(np.mean(pairs)), len(pairs)
    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * float(np.std(pairs, ddof=1)) / sqrt(n)
    return Difference(n, mean, mean - reach, mean + reach)


def ranked(samples: Sequence[Sample], *, less: bool | None) -> list[int]:
    """Return the positions of the samples with a mean, the best first; empty where it is unknown what is better."""
    known = [(place, mean) for place, one in enumerate(samples) if (mean := one.mean) is not None and isfinite(mean)]
    if less is None:
        return []
    return [place for place, mean in sorted(known, key=lambda found: found[1] if less else -found[1])]
