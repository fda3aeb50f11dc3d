"""The clients that a metric's mean is over: how many they are, and the rounds from which on they are others."""

from dataclasses import dataclass

import numpy as np

from webapp.db.repository.series import Series


@dataclass(frozen=True, slots=True)
class Cohort:
    """The clients and samples of the last round with a mean, and the least and the most clients of any round.

    ``changes`` are the rounds whose clients are not those of the round before. ``samples`` 0: unknown.
    """

    clients: int
    samples: int
    least: int
    most: int
    changes: list[int]


def cohort_of(series: Series) -> Cohort | None:
    """Return the cohort of a series; None where no client has a value.

    Of rounds of earlier releases only the number of clients is known, so only another number is a change.
    """
    known = np.flatnonzero(~np.isnan(series["mean"]) & ~np.isnan(series["clients"]))
    if not len(known):
        return None
    clients, ids, rounds = (series[name][known] for name in ("clients", "cohort", "round"))
    others = (ids[1:] != ids[:-1]) & (ids[1:] > 0) & (ids[:-1] > 0)
    changes = rounds[1:][(clients[1:] != clients[:-1]) | others].tolist()
    samples = int(series["samples"][known[-1]])
    return Cohort(int(clients[-1]), samples, int(clients.min()), int(clients.max()), changes)
