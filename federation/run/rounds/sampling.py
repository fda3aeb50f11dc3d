"""How many clients train in a round: the rule of Flower's strategies, for the coordinator and for previews of a run."""


def sample_size(available: int, fraction: float, min_clients: int) -> int:
    """Return how many of the available clients are sampled.

    As Flower counts: the product without its decimals, at least ``min_clients``; and at most all that are available.
    """
    return min(available, max(int(available * fraction), min_clients))
