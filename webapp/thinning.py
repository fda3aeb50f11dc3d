"""Curves of a run as columns, and long ones made short: of each bucket the rounds with the least and the most mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.repository.series import Column, Ends, Outline, Place, odd_means, outline, places, values_of

THINNED_ABOVE, BUCKETS = 4000, 1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rounds that are wanted: after one, up to one; where they are many, thinned to so many buckets."""

    after: int = -1
    last: int | None = None
    buckets: int = BUCKETS

    def size(self, rounds: int) -> int:
        """Return how many of so many rounds make a bucket; 1 shows all of them."""
        return -(-rounds // self.buckets) if rounds > THINNED_ABOVE else 1


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric by round: its places on each axis, the mean, the spread, some clients; columns alike long."""

    metric: str
    rounds: Sequence[int]
    seconds: Column
    bytes: Sequence[int]
    mean: Column
    odd: dict[int, str]
    least: Column
    low: Column
    high: Column
    most: Column
    clients: Mapping[int, Column]


Kept = Mapping[int, tuple[float | None, float | None]]
"""Places in a stretch that are shown -> least and most of the clients in their bucket."""


def curves_of(
    session: Session, run_id: int, phase: str, metrics: Sequence[str], clients: Sequence[int], since: datetime,
    stretch: Stretch,
) -> tuple[list[Curve], int]:  # fmt: skip
    """Return the curves of some metrics, and how many rounds the stretch has."""
    names = {metric: f"{phase}_{metric}" for metric in metrics}
    known = outline(session, run_id, list(names.values()), after=stretch.after, last=stretch.last)
    size = stretch.size(len(known.rounds))
    curves = []
    for metric, name in names.items():
        ends = known.metrics[name]
        unknown = [r for r, mean in zip(known.rounds, ends.mean, strict=True) if mean is None]
        odd = odd_means(session, run_id, phase, metric, unknown)
        kept = thin(ends, [i for i, r in enumerate(known.rounds) if r in odd], size)
        rounds = [known.rounds[i] for i in kept]
        rows = places(session, run_id, [name], only=rounds)
        values = values_of(session, run_id, phase, metric, clients, only=rounds)
        of_clients = {c: [values.get(c, {}).get(r, (None,))[0] for r in rounds] for c in clients}
        curves.append(_curve(metric, name, known, kept, odd, rows, since, of_clients))
    return curves, len(known.rounds)


def _curve(
    metric: str, name: str, known: Outline, kept: Kept, odd: Mapping[int, str], rows: Sequence[Place], since: datetime,
    clients: Mapping[int, Column],
) -> Curve:  # fmt: skip
    spreads = [row.spread[name] for row in rows]
    edges = [(one.least, one.low, one.high, one.most) if one else (None, None, None, None) for one in spreads]
    return Curve(
        metric, [row.round for row in rows], [max(0.0, (row.committed_at - since).total_seconds()) for row in rows],
        [known.bytes[i] for i in kept], [known.metrics[name].mean[i] for i in kept],
        {row.round: odd[row.round] for row in rows if row.round in odd},
        [own if least is None else least for (least, _), (own, *_) in zip(kept.values(), edges, strict=True)],
        [low for _, low, _, _ in edges], [high for _, _, high, _ in edges],
        [own if most is None else most for (_, most), (*_, own) in zip(kept.values(), edges, strict=True)],
        clients,
    )  # fmt: skip


def thin(ends: Ends, odd: Collection[int], size: int) -> Kept:
    """Keep two places of each bucket with its widest spread; the first, the last and one odd one of a bucket stay."""
    if size == 1:
        return {i: (ends.least[i], ends.most[i]) for i in range(len(ends.mean))}
    kept: dict[int, tuple[float | None, float | None]] = {}
    for start in range(0, len(ends.mean), size):
        bucket = range(start, min(start + size, len(ends.mean)))
        least = min((v for v in ends.least[start : bucket.stop] if v is not None), default=None)
        most = max((v for v in ends.most[start : bucket.stop] if v is not None), default=None)
        chosen = _outermost(ends.mean, bucket) | set([i for i in odd if i in bucket][:1])
        chosen |= {i for i in (0, len(ends.mean) - 1) if i in bucket}
        kept |= dict.fromkeys(sorted(chosen), (least, most))
    return kept


def _outermost(mean: Column, bucket: range) -> set[int]:
    """Return the places of a bucket's least and most mean; where none is a number, its first place."""
    known = [(value, i) for i in bucket if (value := mean[i]) is not None]
    return {min(known)[1], max(known)[1]} if known else {bucket[0]}
