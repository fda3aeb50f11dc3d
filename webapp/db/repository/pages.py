"""Reads that only pages need: clients that do not fit a run or failed lately, and an earlier run like another."""

from collections.abc import Iterable

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from webapp.db.repository.rounds import TROUBLE
from webapp.db.repository.runs import NOT_DELETED
from webapp.db.tables import Client, Reply, Round, Run


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


def newest_run_like(session: Session, wanted: Run, settings: Iterable[str], lately: int = 50) -> Run | None:
    """Return the newest run with a committed round that agrees with another one in network, data and some settings."""
    last = select(Run).where(Run.network == wanted.network, Run.dataset == wanted.dataset, Run.current_round > 0)
    asked = {name: wanted.config.get(name) for name in settings}
    runs = session.scalars(last.where(NOT_DELETED).order_by(Run.id.desc()).limit(lately))
    return next((run for run in runs if all(run.config.get(name) == value for name, value in asked.items())), None)
