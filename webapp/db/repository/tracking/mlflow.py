"""mlflow_runs: which runs have news, what is due, and what has arrived."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.tables import MlflowRun, Run, Sending

DUE = (Sending.WAITING, Sending.FAILING)


def note_news(session: Session, server: str, run_ids: Collection[int], now: datetime) -> None:
    """Note runs as waiting: those that were started here and not deleted; one that fails keeps its next try."""
    of_server = MlflowRun.server == server, MlflowRun.client_id.is_(None), MlflowRun.run_id.in_(run_ids)
    known = set(session.scalars(select(MlflowRun.run_id).where(*of_server)))
    there = Run.id.in_(run_ids), Run.started_at.is_not(None), Run.origin.is_(None), Run.state != RunState.DELETED
    for run_id in session.scalars(select(Run.id).where(*there).order_by(Run.id)).all():
        if run_id not in known:
            session.add(_new(server, run_id, None, now))
    session.execute(
        update(MlflowRun).where(*of_server, MlflowRun.state.in_((Sending.SENT, Sending.GONE)))
        .values(state=Sending.WAITING, next_try_at=now)
    )  # fmt: skip


def add_clients(session: Session, parent: MlflowRun, client_ids: Iterable[int], now: datetime) -> None:
    """Note clients of a run, which become child runs."""
    session.add_all([_new(parent.server, parent.run_id, client_id, now) for client_id in client_ids])


def _new(server: str, run_id: int, client_id: int | None, now: datetime) -> MlflowRun:
    return MlflowRun(
        server=server, run_id=run_id, client_id=client_id, key=str(uuid.uuid4()), state=Sending.WAITING, sent_round=-1,
        sent_point=0, sent_state="", tries=0, error="", next_try_at=now,
    )  # fmt: skip


def due_runs(session: Session, server: str, now: datetime, latest: datetime, limit: int) -> Sequence[MlflowRun]:
    """Return the runs that are to be sent now, the oldest first.

    One that is due after ``latest`` is due now: the clock was set back since.
    """
    at = MlflowRun.next_try_at
    due = _runs(server), MlflowRun.state.in_(DUE), or_(at <= now, at > latest)
    return session.scalars(select(MlflowRun).where(*due).order_by(MlflowRun.run_id).limit(limit)).all()


def next_due(session: Session, server: str) -> datetime | None:
    """Return when the next run is due; None where all was sent."""
    query = select(MlflowRun.next_try_at).where(_runs(server), MlflowRun.state.in_(DUE))
    return session.scalar(query.order_by(MlflowRun.next_try_at).limit(1))


def run_at(session: Session, server: str, run_id: int) -> MlflowRun | None:
    """Return what a server has of a run."""
    return session.scalar(select(MlflowRun).where(_runs(server), MlflowRun.run_id == run_id))


def clients_at(session: Session, server: str, run_id: int) -> Sequence[MlflowRun]:
    """Return what a server has of the clients in a run."""
    clients = MlflowRun.server == server, MlflowRun.run_id == run_id, MlflowRun.client_id.is_not(None)
    return session.scalars(select(MlflowRun).where(*clients).order_by(MlflowRun.id)).all()


def count_states(session: Session, server: str) -> dict[str, int]:
    """Return the number of runs by state."""
    query = select(MlflowRun.state, func.count()).where(_runs(server)).group_by(MlflowRun.state)
    return dict(session.execute(query).all())


def last_error(session: Session, server: str) -> tuple[str, datetime] | None:
    """Return the error of the run that is tried next, and when that will be; None where none fails."""
    failing = _runs(server), MlflowRun.state == Sending.FAILING
    query = select(MlflowRun.error, MlflowRun.next_try_at).where(*failing)
    return session.execute(query.order_by(MlflowRun.next_try_at).limit(1)).first()


def _runs(server: str) -> Any:
    return and_(MlflowRun.server == server, MlflowRun.client_id.is_(None))
