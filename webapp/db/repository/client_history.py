"""The outcomes of clients over the runs, and the last failed task of each.

``away`` stands for a committed round that gave a client no task.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.orm import Session

from webapp.db.repository.runs import NOT_DELETED
from webapp.db.tables import MetricPoint, Reply, Run, TaskFailure


@dataclass(frozen=True, slots=True)
class RunShare:
    """A client's participation in one run: train tasks by outcome (also ``away``), last accuracy and its round."""

    run: Run
    outcomes: dict[str, int]
    accuracy: float | None
    accuracy_round: int | None


def shares_of_client(session: Session, client_id: int, limit: int = 20) -> list[RunShare]:
    """Return the client's participation in the last runs that gave it a train task, newest first."""
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
    last = _last_accuracies(session, client_id, newest)
    return [RunShare(runs[r], outcomes[r], *last.get(r, (None, None))) for r in newest if r in runs]


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


def recent_outcomes(session: Session, client_ids: Collection[int], rounds: int) -> dict[int, list[str]]:
    """Return for each client the outcomes of its last rounds over all runs, oldest first.

    The last attempt at a round counts. A committed round that gave the client no task, after one that did, is ``away``;
    a round in which the client only evaluated, because others were sampled to train, is not in the list.
    """
    tasks = {client_id: _last_tasks(session, client_id, rounds) for client_id in client_ids}
    runs = _runs(session, {task.run_id for mine in tasks.values() for task in mine})
    kept = {c: [task for task in mine if task.run_id in runs] for c, mine in tasks.items()}
    return {c: _by_round(session, c, mine, runs, rounds)[-rounds:] for c, mine in kept.items() if mine}


def _last_tasks(session: Session, client_id: int, limit: int) -> list[_Task]:
    """One index look-up per client, because a window function over all replies would read the whole table."""
    tasks = select(Reply.run_id, Reply.round, Reply.outcome).where(Reply.client_id == client_id, Reply.phase == "train")
    return [_Task(*row) for row in session.execute(tasks.order_by(Reply.id.desc()).limit(limit))][::-1]


def _by_round(session: Session, client_id: int, tasks: Sequence[_Task], runs: dict[int, Run], most: int) -> list[str]:
    outcomes: list[str] = []
    ends = {task.run_id: place for place, task in enumerate(tasks)}
    before: dict[int, int] = {}
    for place, (run_id, round_, outcome) in enumerate(tasks):
        if before.get(run_id) == round_:
            outcomes.pop()
        else:
            outcomes += _away(session, client_id, run_id, before.get(run_id, round_) + 1, round_ - 1, most)
        outcomes.append(outcome)
        before[run_id] = round_
        if ends[run_id] == place:
            outcomes += _away(session, client_id, run_id, round_ + 1, runs[run_id].current_round, most)
    return outcomes


def _away(session: Session, client_id: int, run_id: int, first: int, last: int, most: int) -> list[str]:
    first = max(first, last - most + 1)
    if first > last:
        return []
    evaluated = select(func.count(Reply.round.distinct())).where(
        Reply.run_id == run_id, Reply.round.between(first, last), Reply.phase == "evaluate",
        Reply.client_id == client_id,
    )  # fmt: skip
    return ["away"] * (last - first + 1 - (session.scalar(evaluated) or 0))


def _last_accuracies(
    session: Session, client_id: int, run_ids: list[int]
) -> dict[int, tuple[float | None, int | None]]:
    mine = (
        MetricPoint.run_id.in_(run_ids), MetricPoint.client_id == client_id,
        MetricPoint.phase == "evaluate", MetricPoint.name == "accuracy",
    )  # fmt: skip
    last = select(MetricPoint.run_id, func.max(MetricPoint.round).label("round")).where(*mine)
    rounds = last.group_by(MetricPoint.run_id).subquery()
    same = and_(rounds.c.run_id == MetricPoint.run_id, rounds.c.round == MetricPoint.round)
    found = select(MetricPoint.run_id, MetricPoint.value, MetricPoint.round).join(rounds, same).where(*mine)
    return {run_id: (value, round_) for run_id, value, round_ in session.execute(found)}


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
