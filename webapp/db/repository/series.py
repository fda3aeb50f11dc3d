"""What charts draw of a run: a metric's means by round with their place on every axis, the spread, chosen clients."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, DateTime, Float, Select, func, select, type_coerce
from sqlalchemy.orm import Session

from webapp.db.spread import HIGH, LEAST, LOW, MOST, Spread, measure, stored
from webapp.db.tables import Client, MetricPoint, Reply, Round, Run

Values = dict[int, tuple[float | None, str]]
"""Round -> value and kind; the value is None where the kind is not finite."""
Column = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A committed round, and how its clients were spread in each metric that was asked for."""

    round: int
    spread: dict[str, Spread | None]


class Edges(NamedTuple):
    """A metric over a stretch of rounds: the mean, and the edges of the clients' spread around it."""

    mean: Column
    least: Column
    low: Column
    high: Column
    most: Column


@dataclass(frozen=True, slots=True)
class Outline:
    """A stretch of rounds as columns: when each was committed, seconds of work and bytes until then, and each metric.

    ``old`` are the rounds of an earlier release, which kept no spread.
    """

    rounds: Sequence[int]
    committed_at: Sequence[datetime]
    work: Sequence[float]
    bytes: Sequence[int]
    metrics: dict[str, Edges]
    old: set[int]


def outline(
    session: Session, run_id: int, names: Sequence[str], *, after: int = -1, last: int | None = None
) -> Outline:
    """Return the rounds after a number with some metrics such as ``evaluate_accuracy``, oldest first.

    The database takes the numbers out of what rounds keep, and hands them over as they are: a long run is ten thousand
    rounds, and what is done to each of them here is felt.
    """
    numbers: list[ColumnElement[Any]] = []
    for name in names:
        edges = (_edge(session, name, place) for place in (LEAST, LOW, HIGH, MOST))
        numbers += [Round.metrics[name].as_float(), *edges]
    query = select(
        Round.round, type_coerce(Round.committed_at, DateTime), Round.seconds, Round.bytes_down + Round.bytes_up,
        Round.spread.is_(None), *numbers,
    )  # fmt: skip
    rows = session.connection().execute(_stretch(query, run_id, after, last)).all()
    rounds, at, seconds, sent, old, *of_metrics = list(zip(*rows, strict=True)) or [()] * (5 + len(numbers))
    worked, sent_before = spent_until(session, run_id, after) if after >= 0 else (0.0, 0)
    return Outline(
        rounds, at, list(accumulate(seconds, initial=worked))[1:], list(accumulate(sent, initial=sent_before))[1:],
        {name: Edges(*of_metrics[5 * i : 5 * i + 5]) for i, name in enumerate(names)},
        {round_ for round_, is_old in zip(rounds, old, strict=True) if is_old},
    )  # fmt: skip


def _edge(session: Session, name: str, place: int) -> Any:
    if session.get_bind().dialect.name == "sqlite":  # one path: two steps would parse the JSON twice
        return func.json_extract(Round.spread, f'$."{name}"[{place}]', type_=Float())
    return Round.spread[name][place].as_float()


def _stretch(query: Select[Any], run_id: int, after: int, last: int | None) -> Select[Any]:
    query = query.where(Round.run_id == run_id, Round.round > after)
    return (query if last is None else query.where(Round.round <= last)).order_by(Round.round)


def places(
    session: Session, run_id: int, names: Sequence[str], *, after: int = -1, last: int | None = None,
    only: Collection[int] | None = None,
) -> list[Place]:  # fmt: skip
    """Return the rounds after a number, all or ``only`` some, with the spread of some metrics, oldest first."""
    kept = [Round.spread[name].label(f"spread_{i}") for i, name in enumerate(names)]
    query = _stretch(select(Round.round, Round.spread.is_(None), *kept), run_id, after, last)
    rows = session.execute(query if only is None else query.where(Round.round.in_(only))).all()
    found = [Place(r, {n: stored(one) for n, one in zip(names, of, strict=True)}) for r, _, *of in rows]
    _measure_old(session, run_id, [place for place, row in zip(found, rows, strict=True) if row[1]])
    return found


def spent_until(session: Session, run_id: int, round_: int) -> tuple[float, int]:
    """Return the seconds and bytes of a run's rounds up to one."""
    total = select(func.sum(Round.seconds), func.sum(Round.bytes_down + Round.bytes_up))
    seconds, sent = session.execute(total.where(Round.run_id == run_id, Round.round <= round_)).one()
    return float(seconds or 0.0), int(sent or 0)


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


def odd_means(session: Session, run_id: int, phase: str, name: str, rounds: Sequence[int]) -> dict[int, str]:
    """Return round -> nan, inf or -inf for those of some rounds, in order, whose mean is no finite number."""
    if not rounds:
        return {}
    query = select(MetricPoint.round, MetricPoint.kind).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.is_(None), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round.between(rounds[0], rounds[-1]), MetricPoint.kind != "finite",
    )  # fmt: skip
    return {row.round: row.kind for row in session.execute(query.order_by(MetricPoint.round))}


def values_of(
    session: Session, run_id: int, phase: str, name: str, clients: Collection[int], *,
    first: int = 0, last: int | None = None, only: Collection[int] | None = None,
) -> dict[int, Values]:  # fmt: skip
    """Return client -> round -> value and kind, of all rounds or of ``only`` some.

    Clients are named, so that the index leads straight to their points.
    """
    if not clients:
        return {}
    query = select(MetricPoint.client_id, MetricPoint.round, MetricPoint.value, MetricPoint.kind).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.in_(clients), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round >= first,
    )  # fmt: skip
    query = query if last is None else query.where(MetricPoint.round <= last)
    found: dict[int, Values] = {}
    for client_id, round_, value, kind in session.execute(
        query if only is None else query.where(MetricPoint.round.in_(only))
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
