"""The spread of the clients' values around a round's mean, and which clients and how many samples it is over. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import NamedTuple
from zlib import crc32

from federation.run.events import ReplyRecorded, RoundDone
from federation.run.metric_goals import MetricGoals
from federation.run.metric_names import DEVIATION, WORST_TENTH


class Spread(NamedTuple):
    """The values of the clients in one round, in the order in which a round's row stores them.

    ``clients`` counts those with a finite value; 10 % of them are below ``p10`` and above ``p90``; ``worst`` is an id,
    or 0 where it is unknown which values are better. ``samples`` are those of the clients together; ``cohort`` is a
    number that stands for the set of their ids. Both are 0 in rounds of earlier releases, which did not store them.
    """

    clients: int
    min: float
    p10: float
    p90: float
    max: float
    worst: int
    samples: int = 0
    cohort: int = 0


def spread_of(
    name: str, values: Mapping[int, float | None], goals: MetricGoals, samples: Mapping[int, int] | None = None
) -> Spread | None:
    """Return the spread of client -> value of one metric; None where no client has a finite value.

    Edges have eight digits: more would only make long runs slow to read.
    """
    known = {c: value for c, value in values.items() if value is not None and isfinite(value)}
    if not known:
        return None
    ordered = sorted(known.values())
    less = goals.less_is_better(name)
    ids = sorted(known)  # of equally bad clients the one that lists show first, however the replies arrived
    worst = 0 if less is None else (max if less else min)(ids, key=known.__getitem__)
    edges = (ordered[0], _quantile(ordered, 0.1), _quantile(ordered, 0.9), ordered[-1])
    low, p10, p90, high = (float(f"{edge:.8g}") for edge in edges)
    together = sum(map(samples.__getitem__, ids)) if samples is not None else 0
    cohort = crc32(" ".join(map(str, ids)).encode())
    return Spread(len(ordered), low, p10, p90, high, worst, together, cohort)


def spreads_of(replies: Iterable[ReplyRecorded], goals: MetricGoals) -> dict[str, Spread]:
    """Return ``evaluate_accuracy`` and so on -> spread, over the accepted replies of a round."""
    phases: dict[str, dict[int, ReplyRecorded]] = {}
    for reply in replies:
        if reply.outcome == "accepted":
            phases.setdefault(reply.phase, {})[reply.client_id] = reply
    spreads: dict[str, Spread] = {}
    for phase, of_clients in phases.items():
        samples = {client_id: reply.num_examples or 0 for client_id, reply in of_clients.items()}
        for name in dict.fromkeys(chain.from_iterable(reply.metrics for reply in of_clients.values())):
            values = {client_id: reply.metrics.get(name) for client_id, reply in of_clients.items()}
            if (spread := spread_of(name, values, goals, samples)) is not None:
                spreads[f"{phase}_{name}"] = spread
    return spreads


def with_fairness(spreads: dict[str, Spread], done: RoundDone) -> dict[str, Spread]:
    """Return the spreads, and for each metric over clients that the server computed the clients that it is over."""
    for name, value in done.evaluate_metrics.items():
        base = name.removesuffix(DEVIATION).removesuffix(WORST_TENTH)
        of = spreads.get(f"evaluate_{base}") if base != name and isfinite(value) else None
        if of is not None and f"evaluate_{name}" not in spreads:
            spreads[f"evaluate_{name}"] = of._replace(min=value, p10=value, p90=value, max=value)
    return spreads


def _quantile(ordered: Sequence[float], q: float) -> float:
    at = (len(ordered) - 1) * q
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    share = at - low
    return ordered[low] * (1 - share) + ordered[high] * share  # the difference of two finite numbers may be infinite
