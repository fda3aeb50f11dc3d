"""What charts draw of a run: a metric's aggregate by round with its place on every axis, the spread, chosen clients."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.spread import Spread, measure, stored
from webapp.tables import Client, MetricPoint, Reply, Round, Run

Values = dict[int, tuple[float | None, str]]
"""Round -> value and kind; the value is None where the kind is not finite."""


@dataclass(frozen=True, slots=True)
class Place:
    """A committed round on the axes: when, and after how many bytes since the run's beginning."""

    round: int
    committed_at: datetime
    bytes: int
    spread: dict[str, Spread | None]


def places(
    session: Session, run_id: int, names: Sequence[str], *, after: int = -1, last: int | None = None, sums: bool = False
) -> list[Place]:
    """Return the rounds after a number with the spread of some metrics such as ``evaluate_accuracy``, oldest first.

    Bytes count from the run's beginning with ``sums`` alone: that reads all rounds before.
    """
    kept = [Round.spread[name].label(f"spread_{i}") for i, name in enumerate(names)]
    query = select(Round.round, Round.committed_at, Round.bytes_down + Round.bytes_up, Round.spread.is_(None), *kept)
    query = query.where(Round.run_id == run_id, Round.round > after)
    rows = session.execute((query if last is None else query.where(Round.round <= last)).order_by(Round.round)).all()
    total, found = _bytes_until(session, run_id, after) if sums else 0, list[Place]()
    for round_, at, sent, _, *spreads in rows:
        total += sent
        found.append(Place(round_, at, total, {n: stored(one) for n, one in zip(names, spreads, strict=True)}))
    _measure_old(session, run_id, [place for place, row in zip(found, rows, strict=True) if row[3]])
    return found


def _bytes_until(session: Session, run_id: int, last: int) -> int:
    if last < 0:
        return 0
    total = func.coalesce(func.sum(Round.bytes_down + Round.bytes_up), 0)
    return int(session.scalar(select(total).where(Round.run_id == run_id, Round.round <= last)) or 0)


def _measure_old(session: Session, run_id: int, old: Sequence[Place]) -> None:
    """Measure the rounds of an earlier release, which kept no spread."""
    if not old:
        return
    clients = [client_id for client_id, _ in clients_of_run(session, run_id)]
    for name in old[0].spread:
        phase, _, metric = name.partition("_")
        by_client = values_of(session, run_id, phase, metric, clients, first=old[0].round, last=old[-1].round)
        for place in old:
            values = {c: rounds[place.round][0] for c, rounds in by_client.items() if place.round in rounds}
            place.spread[name] = measure(name, values)


def aggregate(
    session: Session, run_id: int, phase: str, name: str, *, after: int = -1, last: int | None = None
) -> Values:
    """Return a metric's mean over the clients by round, after a number."""
    query = select(MetricPoint.round, MetricPoint.value, MetricPoint.kind).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.is_(None), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round > after,
    )  # fmt: skip
    rows = session.execute(query if last is None else query.where(MetricPoint.round <= last))
    return {round_: (value, kind) for round_, value, kind in rows}


def values_of(
    session: Session, run_id: int, phase: str, name: str, clients: Collection[int], *,
    first: int = 0, last: int | None = None,
) -> dict[int, Values]:  # fmt: skip
    """Return client -> round -> value and kind. Clients are named, so that the index leads straight to their points."""
    if not clients:
        return {}
    query = select(MetricPoint.client_id, MetricPoint.round, MetricPoint.value, MetricPoint.kind).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.in_(clients), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round >= first,
    )  # fmt: skip
    found: dict[int, Values] = {}
    for client_id, round_, value, kind in session.execute(
        query if last is None else query.where(MetricPoint.round <= last)
    ):
        found.setdefault(client_id or 0, {})[round_] = (value, kind)
    return found


def clients_of_run(session: Session, run_id: int) -> list[tuple[int, str]]:
    """Return id and name of every client that was asked in a run, by id: one look into the index each."""
    asked = select(MetricPoint.id).where(MetricPoint.run_id == run_id, MetricPoint.client_id == Client.id).limit(1)
    rows = session.execute(select(Client.id, Client.name).where(asked.exists()).order_by(Client.id))
    return [(client_id, name) for client_id, name in rows]


@dataclass(frozen=True, slots=True)
class Replied:
    """What became of a client's task, and when: seconds count from the start of its phase."""

    round: int
    attempt: int
    phase: str
    client_id: int
    outcome: str
    seconds: float | None
    offered_at_seconds: float | None
    received_at_seconds: float | None
    bytes: int


def replies_between(session: Session, run_id: int, first: int, last: int) -> list[Replied]:
    """Return the replies of rounds ``first`` to ``last``; of a later attempt at a round after those of an earlier."""
    columns = (
        Reply.round, Reply.attempt, Reply.phase, Reply.client_id, Reply.outcome, Reply.seconds,
        Reply.offered_at_seconds, Reply.received_at_seconds, Reply.bytes_down + Reply.bytes_up,
    )  # fmt: skip
    query = select(*columns).where(Reply.run_id == run_id, Reply.round.between(first, last), Reply.phase != "prepare")
    return [Replied(*row) for row in session.execute(query.order_by(Reply.round, Reply.attempt))]


def started_at(run: Run) -> datetime:
    """Return the moment that a run's wall clock counts from."""
    return run.started_at or run.created_at
