"""Sampling of the clients that train in a round."""

import math

import numpy as np

from federation.run.config import RunConfig
from federation.transport.exchange import Member


def sample_clients(
    ready: dict[int, Member], config: RunConfig, min_clients: int, number: int, attempt: int
) -> dict[int, Member]:
    """Return ``fraction_train`` of the ready clients, at least ``min_clients``, as far as there are so many.

    The same run seed, round and attempt sample the same clients of the same ready ones.
    """
    count = min(len(ready), max(min_clients, math.ceil(config.fraction_train * len(ready))))
    if count == len(ready):
        return ready
    drawn = np.random.default_rng([config.seed, number, attempt]).choice(sorted(ready), count, replace=False)
    return {int(client_id): ready[int(client_id)] for client_id in sorted(drawn)}
