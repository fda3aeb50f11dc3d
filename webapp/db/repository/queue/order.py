"""The queue: which run starts next, which are held, and who comes first: runs of low priority start last."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.tables import RUNS, Experiment, ExperimentState, Run

T = TypeVar("T")
_PAUSED = select(Experiment.id).where(Experiment.state == ExperimentState.PAUSED)
_QUEUED = Run.state == RunState.QUEUED
_OF_NO_PAUSED = or_(Run.experiment_id.is_(None), Run.experiment_id.not_in(_PAUSED))


def _ordered(query: Select[T]) -> Select[T]:
    """Return the query of queued runs in the order in which they start, without those of paused experiments."""
    return query.where(_QUEUED, _OF_NO_PAUSED).order_by(Run.low_priority, Run.queued_at, Run.id)


def queued_runs(session: Session) -> Sequence[Run]:
    """Return the queued runs of normal priority in their order; held ones are at the place that they would have."""
    return session.scalars(_ordered(select(Run)).where(~Run.low_priority)).all()


def first_queued(session: Session) -> Run | None:
    """Return the first run of the queue, also one that is held."""
    return session.scalars(_ordered(select(Run)).limit(1)).first()


def next_to_start(session: Session) -> Run | None:
    """Return the run that starts next; None where nothing is queued, or a person must act."""
    return session.scalars(_ordered(select(Run)).where(~Run.held).limit(1)).first()


def is_held_back(session: Session, run_id: int) -> bool:
    """Return whether a run is queued in an experiment that is paused."""
    return session.scalar(select(Run.id).where(Run.id == run_id, _QUEUED, Run.experiment_id.in_(_PAUSED))) is not None


def queue_ids(session: Session) -> Sequence[int]:
    """Return the ids of all queued runs that nothing holds back, in the order in which they start."""
    return session.scalars(_ordered(select(Run.id)).where(~Run.held)).all()


def queue_lengths(session: Session) -> tuple[int, int]:
    """Return how many queued runs start by themselves, and how many wait for a person: held, or in a paused group."""
    free = func.count().filter(and_(~Run.held, _OF_NO_PAUSED))
    row = session.execute(select(free, func.count()).where(_QUEUED)).one()
    return row[0], row[1] - row[0]


def hold_queue(session: Session, blocked_on: dict[str, Any]) -> None:
    """Hold every queued run of a person: it does not start until a person releases it. Experiments go on."""
    own = update(Run).where(_QUEUED, Run.experiment_id.is_(None))
    session.execute(own.values(held=True, blocked_on=blocked_on))


def release_queue(session: Session) -> None:
    """Release every held run: it starts when its turn comes."""
    session.execute(update(Run).where(_QUEUED, Run.held).values(held=False, blocked_on=None))


def release_run(session: Session, run_id: int) -> bool:
    """Release one held run; False when it is not held."""
    held = update(RUNS).where(RUNS.c.id == run_id, RUNS.c.state == RunState.QUEUED, RUNS.c.held)
    return session.connection().execute(held.values(held=False, blocked_on=None)).rowcount == 1


def move_to_front(session: Session, run_id: int) -> bool:
    """Move a queued run before all others; False when it is not queued, or is the first already."""
    place = select(Run.low_priority, Run.queued_at).where(_QUEUED)
    others = place.where(Run.id != run_id).order_by(Run.low_priority, Run.queued_at)
    own, first = (session.execute(one.limit(1)).one_or_none() for one in (place.where(Run.id == run_id), others))
    if own is None or first is None or tuple(own) < tuple(first):
        return False
    front = {"low_priority": False, "queued_at": first.queued_at - timedelta(microseconds=1)}
    session.execute(update(Run).where(Run.id == run_id).values(front))
    return True
