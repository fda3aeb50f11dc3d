"""The outcomes of clients over the runs, those that do not fit a run or failed lately, and the last failure of each.

``away`` stands for a committed round that gave a client no task.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Integer, and_, column, delete, func, insert, select, union_all, values
from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from webapp.db.repository.rounds import TROUBLE
from webapp.db.repository.runs import NOT_DELETED
from webapp.db.tables import Client, MetricPoint, Reply, Round, Run, TaskFailure

MAX_CLIENTS_AT_ONCE = 400
"""SQLite takes at most 500 queries in a union."""

AWAY_ROUNDS = 200
"""Rounds further back in a run are not searched for those that gave a client no task."""


@dataclass(frozen=True, slots=True)
class RunShare:
    """A client's participation in one run: train tasks by outcome (also ``away``), and metric -> last value, round."""

    run: Run
    outcomes: dict[str, int]
    last: dict[str, tuple[float | None, int]]


def shares_of_client(
    session: Session, client_id: int, metrics: Collection[str] = (), limit: int = 20
) -> list[RunShare]:
    """Return the client's participation in the last runs that gave it a train task, newest first.

    ``metrics`` are names of the evaluation whose last values are wanted.
    """
    tasks = (
        select(Reply.run_id, Reply.outcome, func.count())
        .where(Reply.client_id == client_id, Reply.phase == "train")
        .group_by(Reply.run_id, Reply.outcome)
    )
    outcomes: dict[int, dict[str, int]] = {}
    for run_id, outcome, amount in session.execute(tasks):
        outcomes.setdefault(run_id, {})[outcome] = amount
    newest = sorted(outcomes, reverse=True)[:limit]
    runs = _runs(session, newest)
    for run_id, away in _rounds_away(session, client_id, runs).items():
        outcomes[run_id] |= {"away": away} if away > 0 else {}
    last = _last_values(session, client_id, newest, metrics)
    return [RunShare(runs[r], outcomes[r], last.get(r, {})) for r in newest if r in runs]


def _runs(session: Session, run_ids: Collection[int]) -> dict[int, Run]:
    return {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(run_ids), NOT_DELETED))}


def _rounds_away(session: Session, client_id: int, runs: dict[int, Run]) -> dict[int, int]:
    """Return by run the number of committed rounds after the client's first one that gave it no task."""
    asked = select(Reply.run_id, func.min(Reply.round), func.count(Reply.round.distinct())).where(
        Reply.client_id == client_id, Reply.phase.in_(("train", "evaluate")), Reply.run_id.in_(runs),
        Reply.round > 0, Reply.round <= select(Run.current_round).where(Run.id == Reply.run_id).scalar_subquery(),
    )  # fmt: skip
    rows = session.execute(asked.group_by(Reply.run_id))
    return {run_id: runs[run_id].current_round - first + 1 - rounds for run_id, first, rounds in rows}


class _Task(NamedTuple):
    run_id: int
    round: int
    outcome: str


class _Gap(NamedTuple):
    """Committed rounds of a run, first to last, in which a client did not train."""

    run_id: int
    first: int
    last: int


def recent_outcomes(session: Session, client_ids: Collection[int], rounds: int) -> dict[int, list[str]]:
    """Return for each client the outcomes of its last rounds over all runs, oldest first; in three statements at most.

    The last attempt at a round counts. A committed round that gave the client no task, after one that did, is ``away``,
    where it is one of the last ``AWAY_ROUNDS`` of its run; a round in which the client only evaluated, because others
    were sampled to train, is not in the list.
    """
    tasks = _last_tasks(session, list(client_ids)[:MAX_CLIENTS_AT_ONCE], 2 * rounds)  # some rounds take two attempts
    runs = _runs(session, {task.run_id for mine in tasks.values() for task in mine})
    histories = {c: _history(mine, runs, rounds) for c, mine in tasks.items() if any(t.run_id in runs for t in mine)}
    evaluated = _evaluated(session, histories)
    return {c: _with_away(mine, evaluated.get(c, set()))[-rounds:] for c, mine in histories.items()}


def _last_tasks(session: Session, client_ids: Sequence[int], limit: int) -> dict[int, list[_Task]]:
    """One index look-up per client, because a window function over all replies would read the whole table."""
    found: dict[int, list[_Task]] = {}
    train = select(Reply.client_id, Reply.run_id, Reply.round, Reply.outcome).where(Reply.phase == "train")
    newest = [train.where(Reply.client_id == one).order_by(Reply.id.desc()).limit(limit) for one in client_ids]
    if newest:
        for client_id, *task in session.execute(union_all(*(select(one.subquery()) for one in newest))):
            found.setdefault(client_id, []).insert(0, _Task(*task))
    return found


def _history(tasks: Sequence[_Task], runs: dict[int, Run], most: int) -> list[str | _Gap]:
    """Return the outcomes of a client's tasks, with the gaps between them and after the last one of each run."""
    found: list[str | _Gap] = []
    before: dict[int, int] = {}
    known = [task for task in tasks if task.run_id in runs]
    ends = {task.run_id: place for place, task in enumerate(known)}

    def add_gap(run_id: int, first: int, last: int) -> None:
        first = max(first, last - most + 1, runs[run_id].current_round - AWAY_ROUNDS + 1)
        if first <= last:
            found.append(_Gap(run_id, first, last))

    for place, (run_id, round_, outcome) in enumerate(known):
        if before.get(run_id) == round_:
            found.pop()
        else:
            add_gap(run_id, before.get(run_id, round_) + 1, round_ - 1)
        found.append(outcome)
        before[run_id] = round_
        if ends[run_id] == place:
            add_gap(run_id, round_ + 1, runs[run_id].current_round)
    return found


def _evaluated(session: Session, histories: dict[int, list[str | _Gap]]) -> dict[int, set[tuple[int, int]]]:
    """Return by client the rounds, as (run, round), of the gaps in which it evaluated; and some others."""
    spans: dict[int, tuple[int, int]] = {}
    for run_id, first, last in (one for mine in histories.values() for one in mine if isinstance(one, _Gap)):
        known = spans.get(run_id, (first, last))
        spans[run_id] = min(first, known[0]), max(last, known[1])
    found: dict[int, set[tuple[int, int]]] = {}
    if spans:
        columns = (column("run_id", BigInteger), column("first", Integer), column("last", Integer))
        span = values(*columns, name="spans").data([(run_id, *ends) for run_id, ends in spans.items()]).cte("spans")
        within = and_(Reply.run_id == span.c.run_id, Reply.round.between(span.c.first, span.c.last))
        evaluated = select(Reply.client_id, Reply.run_id, Reply.round).join(span, within)
        mine = evaluated.where(Reply.phase == "evaluate", Reply.client_id.in_(histories))
        for client_id, run_id, round_ in session.execute(mine):
            found.setdefault(client_id, set()).add((run_id, round_))
    return found


def _with_away(history: Sequence[str | _Gap], evaluated: set[tuple[int, int]]) -> list[str]:
    found: list[str] = []
    for one in history:
        if isinstance(one, str):
            found.append(one)
        else:
            found += ["away" for round_ in range(one.first, one.last + 1) if (one.run_id, round_) not in evaluated]
    return found


def _last_values(
    session: Session, client_id: int, run_ids: list[int], metrics: Collection[str]
) -> dict[int, dict[str, tuple[float | None, int]]]:
    point = MetricPoint
    mine = (
        point.run_id.in_(run_ids), point.client_id == client_id, point.phase == "evaluate", point.name.in_(metrics),
    )  # fmt: skip
    last = select(point.run_id, point.name, func.max(point.round).label("round")).where(*mine)
    rounds = last.group_by(point.run_id, point.name).subquery()
    same = and_(rounds.c.run_id == point.run_id, rounds.c.name == point.name, rounds.c.round == point.round)
    values = select(point.run_id, point.name, point.value, point.round).join(rounds, same).where(*mine)
    found: dict[int, dict[str, tuple[float | None, int]]] = {}
    for run_id, name, value, round_ in session.execute(values):
        found.setdefault(run_id, {})[name] = value, round_
    return found


def misfits(session: Session, run_id: int) -> dict[int, str]:
    """Return client -> reason of the clients whose last reply to prepare was a refusal or a failure."""
    query = select(Reply.client_id, Reply.outcome, Reply.reason).where(
        Reply.run_id + 0 == run_id, Reply.phase == "prepare", Reply.client_id.in_(select(Client.id))
    )  # + 0: by the index of clients, not by that of runs: few of a run's replies are to prepare
    last = {client_id: (outcome, reason) for client_id, outcome, reason in session.execute(query.order_by(Reply.id))}
    return {c: reason or outcome for c, (outcome, reason) in last.items() if outcome in ("refused", "failed")}


def troubled_clients(session: Session) -> set[int]:
    """Return the clients whose last task failed, was late, lost or rejected: of active runs, else of the newest one."""
    of_run = select(Run.id, Run.current_round).where(Run.current_round > 0, NOT_DELETED)
    is_active = of_run.where(Run.state.in_(ACTIVE))
    any_active = session.execute(is_active.limit(1)).first() is not None
    run = (is_active if any_active else of_run.order_by(Run.id.desc()).limit(1)).subquery()
    committed = and_(Round.run_id == run.c.id, Round.round == run.c.current_round)
    replies = select(Reply.client_id).select_from(run).join(Round, committed).join(
        Reply, and_(Reply.run_id == run.c.id, Reply.round == Round.round, Reply.attempt == Round.attempt)
    )  # fmt: skip
    return set(session.scalars(replies.where(Reply.outcome.in_(TROUBLE))))


def replace_failures(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store the last failed task of some clients; a client keeps one."""
    last = {row["client_id"]: row for row in rows}
    if last:
        session.execute(delete(TaskFailure).where(TaskFailure.client_id.in_(last)))
        session.execute(insert(TaskFailure), list(last.values()))


def last_failure(session: Session, client_id: int) -> TaskFailure | None:
    """Return the last failed task of a client, unless its run is deleted."""
    failed = select(TaskFailure).join(Run, Run.id == TaskFailure.run_id)
    return session.scalar(failed.where(TaskFailure.client_id == client_id, NOT_DELETED))
