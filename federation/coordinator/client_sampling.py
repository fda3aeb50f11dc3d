"""Sampling of the clients that train in a round."""

import numpy as np

from federation.run.config import RunConfig
from federation.run.sampling import sample_size
from federation.transport.exchange import Member


def sample_clients(
    ready: dict[int, Member], config: RunConfig, min_clients: int, number: int, attempt: int
) -> dict[int, Member]:
    """Return the ready clients that train, as many as ``sample_size`` says.

    The same run seed, round and attempt sample the same clients of the same ready ones.
    """
    count = sample_size(len(ready), config.fraction_train, min_clients)
    if count == len(ready):
        return ready
    drawn = np.random.default_rng([config.seed, number, attempt]).choice(sorted(ready), count, replace=False)
    return {int(client_id): ready[int(client_id)] for client_id in sorted(drawn)}
