"""Curves of a run as columns, and long ones made short: of each bucket the rounds with the least and the most mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.repository.series import aggregate, places, values_of

Column = list[float | None]


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric by round: its places on each axis, the mean, the spread, some clients; columns alike long."""

    metric: str
    rounds: list[int]
    seconds: Column
    bytes: list[int]
    mean: Column
    odd: dict[int, str]
    least: Column
    low: Column
    high: Column
    most: Column
    clients: dict[int, Column]


def curve_of(
    session: Session, run_id: int, phase: str, metrics: Sequence[str], clients: Sequence[int], since: datetime, *,
    after: int = -1, last: int | None = None,
) -> list[Curve]:  # fmt: skip
    """Return the curves of some metrics, over the rounds after a number."""
    names = [f"{phase}_{metric}" for metric in metrics]
    rounds = places(session, run_id, names, after=after, last=last, sums=True)
    numbers = [place.round for place in rounds]
    seconds: Column = [max(0.0, (place.committed_at - since).total_seconds()) for place in rounds]
    curves = []
    for name, metric in zip(names, metrics, strict=True):
        means = aggregate(session, run_id, phase, metric, after=after, last=last)
        chosen = values_of(session, run_id, phase, metric, clients, first=after + 1, last=last)
        spreads = [place.spread[name] for place in rounds]
        curves.append(
            Curve(
                metric, numbers, seconds, [place.bytes for place in rounds],
                [means.get(r, (None,))[0] for r in numbers],
                {r: means[r][1] for r in numbers if r in means and means[r][1] != "finite"},
                [one.least if one else None for one in spreads], [one.low if one else None for one in spreads],
                [one.high if one else None for one in spreads], [one.most if one else None for one in spreads],
                {c: [chosen.get(c, {}).get(r, (None,))[0] for r in numbers] for c in clients},
            )
        )  # fmt: skip
    return curves


def thin(curve: Curve, buckets: int) -> Curve:
    """Keep two rounds of each bucket, and its widest spread with them; the first, the last and odd rounds stay."""
    size = -(-len(curve.rounds) // buckets)
    least, most, kept = list(curve.least), list(curve.most), set[int]()
    for start in range(0, len(curve.rounds), size):
        bucket = range(start, min(start + size, len(curve.rounds)))
        kept |= _ends(curve, bucket)
        low, high = _known(curve.least, bucket), _known(curve.most, bucket)
        for place in kept.intersection(bucket):
            least[place], most[place] = min(low, default=None), max(high, default=None)
    order = sorted(kept | {0, len(curve.rounds) - 1})

    def some(column: Column) -> Column:
        return [column[place] for place in order]

    return Curve(
        curve.metric, [curve.rounds[i] for i in order], some(curve.seconds), [curve.bytes[i] for i in order],
        some(curve.mean), {r: kind for r, kind in curve.odd.items() if r in {curve.rounds[i] for i in order}},
        some(least), some(curve.low), some(curve.high), some(most),
        {client_id: some(column) for client_id, column in curve.clients.items()},
    )  # fmt: skip


def _ends(curve: Curve, bucket: range) -> set[int]:
    """Return the places of a bucket's least and most mean; where none is a number, its first place."""
    known = [place for place in bucket if curve.mean[place] is not None]
    odd = {place for place in bucket if curve.odd and curve.rounds[place] in curve.odd}
    if not known:
        return {bucket[0]}
    return {
        min(known, key=lambda p: curve.mean[p] or 0.0),
        max(known, key=lambda p: curve.mean[p] or 0.0),
        *list(odd)[:1],
    }


def _known(column: Column, bucket: range) -> list[float]:
    return [value for place in bucket if (value := column[place]) is not None]
