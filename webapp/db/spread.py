"""How the clients of a round were spread around its mean: least, 10 %, 90 %, most, and who was worst. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from federation.run.events import ReplyRecorded, less_is_better

LEAST, LOW, HIGH, MOST = 1, 2, 3, 4
"""Where they stand in what a round's row keeps."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of the clients in one round, all of them and the middle 80 %; ``worst`` is a client's id."""

    clients: int
    least: float
    low: float
    high: float
    most: float
    worst: int

    def to_json(self) -> list[float]:
        """Return it as a round's row keeps it: more digits than these would only make long runs slow to read."""
        edges = [float(f"{edge:.8g}") for edge in (self.least, self.low, self.high, self.most)]
        return [self.clients, *edges, self.worst]


def measure(name: str, values: Mapping[int, float | None]) -> Spread | None:
    """Measure client -> value of one metric; None where nobody has a number."""
    known = {c: value for c, value in values.items() if value is not None and isfinite(value)}
    if not known:
        return None
    ordered = sorted(known.values())
    worst = (max if less_is_better(name) else min)(known, key=lambda c: known[c])
    return Spread(len(ordered), ordered[0], _quantile(ordered, 0.1), _quantile(ordered, 0.9), ordered[-1], worst)


def measured(replies: Iterable[ReplyRecorded]) -> dict[str, list[float]]:
    """Return ``evaluate_accuracy`` and so on -> spread, over the accepted replies of a round."""
    values: dict[str, dict[int, float | None]] = {}
    for reply in replies:
        if reply.outcome == "accepted":
            for name, value in reply.metrics.items():
                values.setdefault(f"{reply.phase}_{name}", {})[reply.client_id] = value
    spreads = {name: measure(name, of_clients) for name, of_clients in values.items()}
    return {name: spread.to_json() for name, spread in spreads.items() if spread is not None}


def stored(row: Any) -> Spread | None:
    """Read what a round's row keeps of one metric."""
    if not isinstance(row, list) or len(row) != 6:
        return None
    clients, least, low, high, most, worst = row
    return Spread(int(clients), least, low, high, most, int(worst))


def _quantile(ordered: list[float], q: float) -> float:
    at = (len(ordered) - 1) * q
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
