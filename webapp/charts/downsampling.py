"""Curves of a run as columns, and long ones made short: of each bucket the rounds with the least and the most mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from webapp.db.repository.series import Column, Edges, Outline, Place, odd_means, outline, places, values_of

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
    rounds: list[int]
    seconds: list[float]
    work: list[float]
    bytes: list[int]
    mean: list[float | None]
    odd: dict[int, str]
    least: list[float | None]
    low: list[float | None]
    high: list[float | None]
    most: list[float | None]
    clients: dict[int, list[float | None]]


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
        edges = known.metrics[name]
        unknown = [r for r, mean in zip(known.rounds, edges.mean, strict=True) if mean is None]
        odd = odd_means(session, run_id, phase, metric, unknown)
        kept = thin(edges, [i for i, r in enumerate(known.rounds) if r in odd] if odd else (), size)
        rounds = [known.rounds[i] for i in kept]
        values = values_of(session, run_id, phase, metric, clients, only=rounds)
        of_clients = {c: [values.get(c, {}).get(r, (None,))[0] for r in rounds] for c in clients}
        curve = _curve(metric, known, edges, kept, odd, since, of_clients)
        if old := known.old.intersection(rounds):
            _measure(curve, places(session, run_id, [name], only=old), name)
        curves.append(curve)
    return curves, len(known.rounds)


def _curve(
    metric: str, known: Outline, edges: Edges, kept: Kept, odd: Mapping[int, str], since: datetime,
    clients: dict[int, list[float | None]],
) -> Curve:  # fmt: skip
    rounds = [known.rounds[i] for i in kept]
    moments = [at if (at := known.committed_at[i]).tzinfo else at.replace(tzinfo=UTC) for i in kept]
    return Curve(
        metric, rounds, [max(0.0, (at - since).total_seconds()) for at in moments],
        [known.work[i] for i in kept], [known.bytes[i] for i in kept], [edges.mean[i] for i in kept],
        {r: odd[r] for r in rounds if r in odd}, [least for least, _ in kept.values()],
        [edges.low[i] for i in kept], [edges.high[i] for i in kept], [most for _, most in kept.values()], clients,
    )  # fmt: skip


def _measure(curve: Curve, old: Sequence[Place], name: str) -> None:
    """Put in the spread of rounds that kept none."""
    for row in old:
        if spread := row.spread[name]:
            i = curve.rounds.index(row.round)
            curve.least[i], curve.low[i], curve.high[i], curve.most[i] = (
                spread.least, spread.low, spread.high, spread.most,
            )  # fmt: skip


def thin(edges: Edges, odd: Collection[int], size: int) -> Kept:
    """Keep two places of each bucket with its widest spread; the first, the last and one odd one of a bucket stay."""
    if size == 1:
        return {i: (edges.least[i], edges.most[i]) for i in range(len(edges.mean))}
    kept: dict[int, tuple[float | None, float | None]] = {}
    for start in range(0, len(edges.mean), size):
        bucket = range(start, min(start + size, len(edges.mean)))
        least = min((v for v in edges.least[start : bucket.stop] if v is not None), default=None)
        most = max((v for v in edges.most[start : bucket.stop] if v is not None), default=None)
        chosen = _outermost(edges.mean, bucket) | set([i for i in odd if i in bucket][:1])
        chosen |= {i for i in (0, len(edges.mean) - 1) if i in bucket}
        kept |= dict.fromkeys(sorted(chosen), (least, most))
    return kept


def _outermost(mean: Column, bucket: range) -> set[int]:
    """Return the places of a bucket's least and most mean; where none is a number, its first place."""
    known = [(value, i) for i in bucket if (value := mean[i]) is not None]
    return {min(known)[1], max(known)[1]} if known else {bucket[0]}
