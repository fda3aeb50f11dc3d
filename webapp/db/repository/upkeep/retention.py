"""Which runs are old enough for their checkpoints and events to be removed, and the removal of the events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from federation.run.states import ENDED
from webapp.db.tables import RUNS, Run, RunContents, RunEvent

MOVES = {RunContents.REMOVING: RunContents.WHOLE, RunContents.REMOVED: RunContents.REMOVING}
"""What a run's contents become -> what they are before."""


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """A run keeps its contents while it is one of the newest ``runs`` that ended, or ended less than ``days`` ago.

    None sets no limit of that kind; where both are None, nothing is ever removed.
    """

    runs: int | None = None
    days: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything is ever removed."""
        return self.runs is not None or self.days is not None


def expired_runs(session: Session, limits: RetentionLimits, now: datetime) -> Sequence[int]:
    """Return the ids of the runs whose contents are to be removed, oldest first.

    Never among them: a queued or active run, a pinned one, and the run that ended last. A run is no older than one with
    a lower id: the clock may have been behind when it ended.
    """
    if not limits.is_set:
        return []
    ended, most = Run.state.in_(ENDED), limits.runs or 1
    by_end = select(Run.id).where(ended).order_by(Run.finished_at.desc(), Run.id.desc()).limit(most)
    by_id = select(Run.id).where(ended).order_by(Run.id.desc()).limit(most)
    expired = select(Run.id).where(ended, Run.contents == RunContents.WHOLE, ~Run.pinned, Run.id.not_in(by_end),
                                   Run.id.not_in(by_id))  # fmt: skip
    if limits.days is not None:
        begun = select(Run.id, func.max(Run.created_at).over(order_by=Run.id).label("at")).subquery()
        limit = now - timedelta(days=limits.days)
        expired = expired.join(begun, begun.c.id == Run.id).where(Run.finished_at < limit, begun.c.at < limit)
    return session.scalars(expired.order_by(Run.id)).all()


def begun_removals(session: Session) -> Sequence[int]:
    """Return the ids of the runs whose contents are being removed, oldest first."""
    return session.scalars(
        select(Run.id).where(Run.contents == RunContents.REMOVING, Run.state.in_(ENDED)).order_by(Run.id)
    ).all()


def move_contents(session: Session, run_id: int, to: RunContents, now: datetime) -> bool:
    """Change what a run that has ended contains; False where it is pinned, was queued again or deleted, or moved so."""
    moved = update(RUNS).where(
        RUNS.c.id == run_id, RUNS.c.state.in_(ENDED), RUNS.c.contents == MOVES[to], ~RUNS.c.pinned
    )
    return session.connection().execute(moved.values(contents=to.value, contents_at=now)).rowcount == 1


def delete_events(session: Session, run_id: int, most: int) -> int:
    """Delete up to ``most`` events of a run; return how many were there."""
    some = select(RunEvent.id).where(RunEvent.run_id == run_id).limit(most)
    return session.connection().execute(delete(RunEvent).where(RunEvent.id.in_(some))).rowcount
