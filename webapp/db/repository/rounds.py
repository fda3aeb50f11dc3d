"""rounds and replies: insert them, and read them by round, by client or by outcome; matrices of rounds."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.db.repository.rows import insert_many
from webapp.db.tables import REPLIES, ROUNDS, Client, MetricPoint, Reply, Round, Run

TROUBLE = ("refused", "failed", "late", "lost")


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """One reply with the client's name and the two metrics that all pages show."""

    id: int
    round: int
    attempt: int
    phase: str
    client_id: int
    client: str
    outcome: str
    reason: str | None
    num_examples: int | None
    seconds: float | None
    offered_at_seconds: float | None
    received_at_seconds: float | None
    bytes_down: int
    bytes_up: int
    loss: float | None
    accuracy: float | None


class Trouble(NamedTuple):
    """A client's trouble in a round, and how much of it the round has in all."""

    round: int
    amount: int
    client: str
    outcome: str
    reason: str | None


def insert_round(session: Session, row: dict[str, Any]) -> bool:
    """Insert a committed round; False when the run has that round already."""
    return session.connection().execute(_insert(session.get_bind().dialect.name), row).first() is not None


def insert_replies(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert replies; the first one of a client's task in an attempt stays."""
    insert_many(session, REPLIES, rows, unique=("run_id", "round", "attempt", "phase", "client_id"))


def delete_uncommitted_replies(session: Session, run_id: int, last_round: int) -> None:
    """Delete the replies of the round that was not committed: a resumed run counts its attempts from 0 again."""
    committed = select(Round.round).where(Round.run_id == run_id)
    of_run = delete(Reply).where(Reply.run_id == run_id, Reply.round >= last_round)
    session.execute(of_run.where(Reply.round.not_in(committed)))


@cache
def _insert(dialect: str) -> Any:
    """Return the statement for ``insert_round``, cached because every round uses it."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(ROUNDS).on_conflict_do_nothing(index_elements=["run_id", "round"]).returning(ROUNDS.c.id)


def list_rounds(session: Session, run_id: int, *, after: int = -1, limit: int = 1000) -> Sequence[Round]:
    """Return the committed rounds after a round number, oldest first."""
    later = select(Round).where(Round.run_id == run_id, Round.round > after)
    return session.scalars(later.order_by(Round.round).limit(limit)).all()


def newest_rounds(session: Session, run_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[Round]:
    """Return committed rounds, newest first; ``before`` is a round number, for the next page."""
    rounds = select(Round).where(Round.run_id == run_id).order_by(Round.round.desc()).limit(limit)
    return session.scalars(rounds if before is None else rounds.where(Round.round < before)).all()


def add_measured(
    session: Session, row: Round, metrics: Mapping[str, float | None], spreads: Mapping[str, Sequence[float]]
) -> None:  # fmt: skip
    """Add metrics that were measured after a round was committed, and what they are over."""
    row.metrics = {**row.metrics, **metrics}
    row.spread = {**(row.spread or {}), **{name: list(spread) for name, spread in spreads.items()}}
    session.flush()


def get_round(session: Session, run_id: int, round_: int) -> Round | None:
    """Return one committed round."""
    return session.scalar(select(Round).where(Round.run_id == run_id, Round.round == round_))


def recent_seconds(session: Session, run_ids: Collection[int], rounds: int = 10) -> dict[int, list[float]]:
    """Return the seconds of each run's last rounds, newest first, without round 0."""
    if not run_ids:
        return {}
    newest = select(Round.run_id, Round.seconds).join(Run, Run.id == Round.run_id).where(
        Round.run_id.in_(run_ids), Round.round > 0, Round.round > Run.current_round - rounds
    )  # fmt: skip
    seconds: dict[int, list[float]] = {}
    for run_id, value in session.execute(newest.order_by(Round.round.desc())):
        seconds.setdefault(run_id, []).append(value)
    return seconds


def list_replies(
    session: Session, run_id: int, first: int, last: int, *, outcomes: Iterable[str] = ()
) -> list[ReplyRow]:  # fmt: skip
    """Return the replies of rounds ``first`` to ``last``, in the order in which they were recorded."""
    query = _replies().where(Reply.run_id == run_id, Reply.round.between(first, last))
    if chosen := list(outcomes):
        query = query.where(Reply.outcome.in_(chosen))
    return [ReplyRow(*row) for row in session.execute(query.order_by(Reply.id))]


def last_round_within(session: Session, run_id: int, first: int, last: int, most: int) -> int:
    """Return the last round up to which, from ``first`` on, there is trouble with ``most`` replies or fewer.

    It is ``first`` at least, however much trouble that round has.
    """
    of_rounds = select(Reply.round, func.count()).where(*_trouble(run_id, first, last)).group_by(Reply.round)
    for round_, amount in session.execute(of_rounds.order_by(Reply.round)):
        most -= amount
        if most < 0:
            return max(first, round_ - 1)
    return last


def first_troubles(session: Session, run_id: int, first: int, last: int, most: int) -> list[Trouble]:
    """Return up to ``most`` troubles of each round, the first ones.

    The same trouble of a client counts once in a round; a late reply has no reason.
    """
    reason = case((Reply.outcome == "late", None), else_=Reply.reason).label("reason")
    same = (Reply.round, Reply.client_id, Reply.outcome, reason)
    once = select(*same, func.min(Reply.id).label("id")).where(*_trouble(run_id, first, last)).group_by(*same)
    one = once.subquery().c
    numbered = select(
        one.round, func.count().over(partition_by=one.round).label("amount"), Client.name, one.outcome, one.reason,
        func.row_number().over(partition_by=one.round, order_by=one.id).label("place"),
    ).join(Client, Client.id == one.client_id).subquery()  # fmt: skip
    rows = session.execute(select(numbered).where(numbered.c.place <= most).order_by(numbered.c.place))
    return [Trouble(*row[:-1]) for row in rows]


def _trouble(run_id: int, first: int, last: int) -> tuple[ColumnElement[bool], ...]:
    return Reply.run_id == run_id, Reply.round.between(first, last), Reply.outcome.in_(TROUBLE)


def replies_of_client(session: Session, client_id: int, *, limit: int = 50) -> list[tuple[int, ReplyRow]]:
    """Return a client's replies with their runs' ids, newest first."""
    query = _replies().add_columns(Reply.run_id).where(Reply.client_id == client_id, Reply.phase != "prepare")
    rows = session.execute(query.order_by(Reply.id.desc()).limit(limit))
    return [(row[-1], ReplyRow(*row[:-1])) for row in rows]


def measured_of(
    session: Session, client_id: int, tasks: Collection[tuple[int, int]], names: Collection[str]
) -> dict[tuple[int, int], dict[str, float | None]]:  # fmt: skip
    """Return (run, round) -> metric -> value of some train metrics of a client; ``tasks`` are runs with rounds."""
    if not tasks:
        return {}
    columns = MetricPoint.run_id, MetricPoint.round, MetricPoint.name, MetricPoint.value
    runs, rounds = {run_id for run_id, _ in tasks}, {round_ for _, round_ in tasks}
    query = select(*columns).where(
        MetricPoint.run_id.in_(runs), MetricPoint.client_id == client_id, MetricPoint.phase == "train",
        MetricPoint.name.in_(names), MetricPoint.round.in_(rounds),
    )  # fmt: skip
    found: dict[tuple[int, int], dict[str, float | None]] = {}
    for run_id, round_, name, value in session.execute(query):
        found.setdefault((run_id, round_), {})[name] = value
    return found


def _replies() -> Any:
    loss, accuracy = (_point(name) for name in ("loss", "accuracy"))
    columns = (
        Reply.id, Reply.round, Reply.attempt, Reply.phase, Reply.client_id, Client.name, Reply.outcome, Reply.reason,
        Reply.num_examples, Reply.seconds, Reply.offered_at_seconds, Reply.received_at_seconds,
        Reply.bytes_down, Reply.bytes_up, loss, accuracy,
    )  # fmt: skip
    return select(*columns).join(Client, Client.id == Reply.client_id)


def _point(name: str) -> Any:
    same = and_(
        MetricPoint.run_id == Reply.run_id, MetricPoint.client_id == Reply.client_id, MetricPoint.phase == Reply.phase,
        MetricPoint.name == name, MetricPoint.round == Reply.round, Reply.outcome == "accepted",
    )  # fmt: skip
    return select(MetricPoint.value).where(same).limit(1).scalar_subquery()


def outcome_counts(session: Session, client_ids: Collection[int] | None = None) -> dict[int, dict[str, int]]:
    """Return client -> outcome -> number of its train tasks, over all runs."""
    query = select(Reply.client_id, Reply.outcome, func.count()).where(Reply.phase == "train")
    if client_ids is not None:
        query = query.where(Reply.client_id.in_(client_ids))
    counts: dict[int, dict[str, int]] = {}
    for client_id, outcome, count in session.execute(query.group_by(Reply.client_id, Reply.outcome)):
        counts.setdefault(client_id, {})[outcome] = count
    return counts


def count_rounds(session: Session, run_id: int) -> int:
    """Return the number of committed rounds, round 0 included."""
    return session.scalar(select(func.count(Round.id)).where(Round.run_id == run_id)) or 0


def confusion_up_to(session: Session, run_id: int, round_: int | None) -> tuple[int, dict[str, Any]] | None:
    """Return the newest round that has a matrix, up to a round where one is given, and the matrix."""
    query = select(Round.round, Round.confusion).where(*_with_one(run_id))
    if round_ is not None:
        query = query.where(Round.round <= round_)
    return session.execute(query.order_by(Round.round.desc()).limit(1)).one_or_none()


def rounds_around(session: Session, run_id: int, round_: int) -> tuple[int | None, int | None]:
    """Return the rounds before and after a round that have a matrix."""
    earlier = session.scalar(select(func.max(Round.round)).where(*_with_one(run_id), Round.round < round_))
    later = session.scalar(select(func.min(Round.round)).where(*_with_one(run_id), Round.round > round_))
    return earlier, later


def _with_one(run_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Round.run_id == run_id, Round.confusion.is_not(None)
