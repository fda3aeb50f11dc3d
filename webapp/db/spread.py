"""The spread of the clients' values around a round's mean: minimum, 10 %, 90 %, maximum, and the worst client. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from federation.run.events import ReplyRecorded
from federation.run.metric_goals import MetricGoals


class Spread(NamedTuple):
    """The values of the clients in one round, in the order in which a round's row stores them.

    ``clients`` counts those with a finite value; 10 % of them are below ``p10`` and above ``p90``; ``worst`` is an id,
    or 0 where it is unknown which values are better.
    """

    clients: int
    min: float
    p10: float
    p90: float
    max: float
    worst: int


def spread_of(name: str, values: Mapping[int, float | None], goals: MetricGoals) -> Spread | None:
    """Return the spread of client -> value of one metric; None where no client has a finite value.

    Edges have eight digits: more would only make long runs slow to read.
    """
    known = {c: value for c, value in values.items() if value is not None and isfinite(value)}
    if not known:
        return None
    ordered = sorted(known.values())
    less = goals.less_is_better(name)
    worst = 0 if less is None else (max if less else min)(known, key=lambda c: known[c])
    edges = (ordered[0], _quantile(ordered, 0.1), _quantile(ordered, 0.9), ordered[-1])
    low, p10, p90, high = (float(f"{edge:.8g}") for edge in edges)
    return Spread(len(ordered), low, p10, p90, high, worst)


def spreads_of(replies: Iterable[ReplyRecorded], goals: MetricGoals) -> dict[str, Spread]:
    """Return ``evaluate_accuracy`` and so on -> spread, over the accepted replies of a round."""
    values: dict[str, dict[int, float | None]] = {}
    for reply in replies:
        if reply.outcome == "accepted":
            for name, value in reply.metrics.items():
                values.setdefault(f"{reply.phase}_{name}", {})[reply.client_id] = value
    spreads = {name: spread_of(name.partition("_")[2], of_clients, goals) for name, of_clients in values.items()}
    return {name: spread for name, spread in spreads.items() if spread is not None}


def _quantile(ordered: Sequence[float], q: float) -> float:
    at = (len(ordered) - 1) * q
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
