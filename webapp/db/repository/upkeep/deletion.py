"""Removes the rows of deleted runs, so many at a time."""

from collections.abc import Sequence

from sqlalchemy import Delete, delete, select
from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.repository.queue.experiments import delete_empty_experiment
from webapp.db.tables import (
    Client,
    MetricPoint,
    MlflowRun,
    Reply,
    Round,
    Run,
    RunContents,
    RunEvent,
    RunProblem,
    TaskFailure,
)


def deleted_runs(session: Session) -> Sequence[int]:
    """Return the ids of the deleted runs that still have rows or files, oldest first."""
    there = (Run.state == RunState.DELETED, Run.contents != RunContents.IMPORTING)
    return session.scalars(select(Run.id).where(*there).order_by(Run.id)).all()


def delete_rows(session: Session, run_id: int, most: int) -> bool:
    """Delete up to ``most`` rows of a deleted run, and in the end the run; return whether the run is still there."""
    for table in (MetricPoint, Reply, Round, RunEvent):
        some = select(table.id).where(table.run_id == run_id).limit(most)
        if _delete(session, delete(table).where(table.id.in_(some))):
            return True
    for small in (TaskFailure, RunProblem, MlflowRun):
        _delete(session, delete(small).where(small.run_id == run_id))
    _delete(
        session, delete(Client).where(Client.kind == "imported", Client.public_key.startswith(f"imported:{run_id}:"))
    )
    experiment_id = session.scalar(select(Run.experiment_id).where(Run.id == run_id))
    _delete(session, delete(Run).where(Run.id == run_id, Run.state == RunState.DELETED))
    if experiment_id is not None:
        delete_empty_experiment(session, experiment_id)
    return False


def _delete(session: Session, rows: Delete) -> int:
    return session.connection().execute(rows).rowcount
