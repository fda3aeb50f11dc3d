"""runs: insert, list, change the state, advance by a round, delete."""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from federation.run.metric_goals import MetricGoals, goals_of
from federation.run.networks import data_of
from federation.run.states import ACTIVE, COMMITTING, ENDED, RESUMABLE, RunState
from webapp.db.tables import (
    RUNS,
    Run,
    RunContents,
)

NOT_DELETED = Run.state != RunState.DELETED


def active_seconds(clock: Any) -> ColumnElement[float]:
    """Return how long a run has been active, at a reading of this process's monotonic clock."""
    return RUNS.c.active_seconds + func.coalesce(clock - RUNS.c.measured_at, 0.0)


def end_measurements(session: Session) -> None:
    """Forget when active runs were measured last: that was on the clock of a process before this one."""
    measured = or_(Run.measured_at.is_not(None), Run.deadline_at.is_not(None))
    session.execute(update(Run).where(measured).values(measured_at=None, deadline_at=None))


def insert_run(session: Session, name: str, config: dict[str, Any], by: str | None = None, **more: Any) -> int:
    """Append a run to the queue; return its id. ``more`` are columns that only some runs have."""
    row = {
        "name": name, "config": config, "network": config["network"],
        "dataset": data_of(config["network"], config.get("dataset", "")),
        "strategy": config.get("strategy", ""), "state": RunState.QUEUED.value,
        "num_rounds": config.get("num_rounds", 0), "created_at": datetime.now(UTC),
        "queued_at": end_of_queue(session), "pausing": False, "excluded": [],
        "note": "", "tags": [], **({"started_by": by} if by else {}), **more,
    }  # fmt: skip
    run_id: int = session.connection().execute(insert(RUNS).returning(RUNS.c.id), row).scalar_one()
    return run_id


def get_run(session: Session, run_id: int) -> Run | None:
    """Return one run; None where there is none, or no more."""
    run = session.get(Run, run_id)
    return run if run is not None and run.state != RunState.DELETED else None


def is_resumable(run: Run) -> bool:
    """Return whether an ended run can be resumed: one cancelled in the queue, or ended by a stop rule, has rounds."""
    has_rounds = run.state == RunState.CANCELLED or (run.state == RunState.COMPLETED and run.stop_rule is not None)
    resumable = run.state in RESUMABLE or (has_rounds and run.checkpoint is not None)
    return resumable and can_continue(run)


def can_continue(run: Run) -> bool:
    """Return whether a run can train on from its weights: not if they were removed, or the run was imported.

    The run of an app has none that are known.
    """
    return run.contents == RunContents.WHOLE and run.origin is None and run.network != "app"


def runs_in(session: Session, states: Collection[str]) -> Sequence[Run]:
    """Return the runs in some states, oldest first."""
    return session.scalars(select(Run).where(Run.state.in_(states)).order_by(Run.id)).all()


def count_by_state(session: Session) -> dict[str, int]:
    """Return how many runs are in each state."""
    return dict(session.execute(select(Run.state, func.count()).group_by(Run.state)).all())


def left_by_last_process(session: Session) -> Sequence[Run]:
    """Return the interrupted runs, oldest first, that ended after the last start of any other run.

    No person has decided about them yet. A run that a person had paused is not among them, because that was a decision.
    """
    started = select(func.max(Run.started_at)).where(Run.state != RunState.INTERRUPTED, NOT_DELETED).scalar_subquery()
    later = or_(started.is_(None), Run.finished_at >= started)
    whole = Run.contents == RunContents.WHOLE
    left = select(Run).where(Run.state == RunState.INTERRUPTED, whole, ~Run.pausing, Run.network != "app", later)
    return session.scalars(left.order_by(Run.id)).all()


def end_of_queue(session: Session) -> datetime:
    """Return the moment at which a run is queued: now, or right behind the last run if the clock was set back."""
    last = session.scalar(select(func.max(Run.queued_at)).where(Run.state == RunState.QUEUED))
    now = datetime.now(UTC)
    return now if last is None else max(now, last + timedelta(microseconds=1))


def move_run(
    session: Session,
    run_id: int,
    to: RunState,
    sources: Collection[RunState],
    reason: str | None,
    blocked_on: dict[str, Any] | None = None,
    deadline_at: float | None = None,
    by: str | None = None,
) -> RunState | None:
    """Change a run's state to ``to`` if it is in one of ``sources``; return the old state, else None."""
    where = RUNS.c.id == run_id
    c = RUNS.c
    columns = select(c.state, c.started_at, c.pausing, c.blocked_on)
    row = session.connection().execute(columns.where(where)).one_or_none()
    if row is None or row.state not in sources:
        return None
    now = datetime.now(UTC)
    clock = time.monotonic()
    values: dict[str, Any] = {
        "state": to.value, "reason": reason, "blocked_on": blocked_on, "deadline_at": deadline_at, "held": False,
        "active_seconds": active_seconds(clock), "measured_at": clock if to in ACTIVE else None,
    }  # fmt: skip
    if to in ACTIVE:
        values["started_at"] = row.started_at or now
    if to in ENDED:
        values["finished_at"] = now
    if to == RunState.INTERRUPTED:  # a person had paused it, so --auto-resume must not resume it
        paused = row.state == RunState.PAUSED and (row.blocked_on or {}).get("kind") == "paused"
        values["pausing"] = row.pausing or paused
    elif to in ENDED or to == RunState.PAUSED:
        values["pausing"] = False
    if to == RunState.QUEUED:
        values |= {"queued_at": end_of_queue(session), "finished_at": None, "pausing": False}
        values |= {"resumed_by": by, "stopped_by": None}
    elif by is not None:  # only a stop is another person's move
        values["stopped_by"] = by
    moved = session.connection().execute(update(RUNS).where(where, RUNS.c.state == row.state).values(values))
    return RunState(row.state) if moved.rowcount == 1 else None


def set_values(session: Session, run_id: int, **values: Any) -> None:
    """Set columns on which no change of state depends."""
    session.connection().execute(update(RUNS).where(RUNS.c.id == run_id).values(values))


def set_blocked_on(
    session: Session, run_id: int, blocked_on: dict[str, Any] | None, deadline_at: float | None
) -> bool:  # fmt: skip
    """Store what an active run waits for, and until when; False when the run is not active."""
    active = update(RUNS).where(RUNS.c.id == run_id, RUNS.c.state.in_(ACTIVE))
    values = {"blocked_on": blocked_on, "deadline_at": deadline_at}
    return session.connection().execute(active.values(values)).rowcount == 1


_BEST = select(RUNS.c.best_metrics, RUNS.c.config, RUNS.c.last_metrics).where(RUNS.c.id == bindparam("run_id"))
_ADVANCE = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("run"), or_(*(RUNS.c.state == state for state in sorted(COMMITTING))))
    .where(RUNS.c.current_round <= bindparam("reached"))
    .values(current_round=bindparam("reached"), last_metrics=bindparam("last"), best_metrics=bindparam("best"),
            checkpoint=bindparam("weights"), active_seconds=active_seconds(bindparam("clock")),
            measured_at=bindparam("clock"))
    .returning(RUNS.c.active_seconds)
)  # fmt: skip
"""Built once: recording a round takes a millisecond, and building a statement a tenth of one."""


def metrics_of(session: Session, run_id: int) -> tuple[dict[str, Any], MetricGoals, dict[str, Any]] | None:
    """Return a run's best metrics so far, its goals and its last metrics; None where there is no such run."""
    row = session.connection().execute(_BEST, {"run_id": run_id}).one_or_none()
    return None if row is None else (row[0], goals_of(row[1]), row[2])


def advance_run(session: Session, run_id: int, round_: int, values: dict[str, Any]) -> float | None:
    """Make ``round_`` the run's last committed round; return for how many seconds the run has been active.

    None when the run is stopping or not active, or has a later round.

    ``values`` holds ``last_metrics``, ``best_metrics`` and ``checkpoint``.
    """
    given = {"last": values["last_metrics"], "best": values["best_metrics"], "weights": values["checkpoint"]}
    given["clock"] = time.monotonic()
    elapsed: float | None = session.connection().scalar(_ADVANCE, {"run": run_id, "reached": round_, **given})
    return elapsed


def named_uploads(session: Session) -> set[str]:
    """Return the ids of the uploaded weights from which any run starts."""
    upload = Run.config["initial_weights"].as_string()
    return set(session.scalars(select(upload).where(upload.is_not(None), NOT_DELETED)))


def run_ids(session: Session) -> set[int]:
    """Return the ids of all runs, also of those that are being deleted."""
    return set(session.scalars(select(Run.id)))


def stored_agreement(session: Session, run_id: int) -> dict[str, Any] | None:
    """Return the schema that the clients of a run agreed on; None where there is none."""
    return session.scalar(select(Run.agreed_schema).where(Run.id == run_id))


def stored_statistics(session: Session, run_id: int) -> dict[str, Any] | None:
    """Return what the clients of a statistics run have told; None where there is nothing."""
    return session.scalar(select(Run.statistics).where(Run.id == run_id))


def newest_run_like(session: Session, wanted: Run, settings: Iterable[str], lately: int = 50) -> Run | None:
    """Return the newest run with a committed round that agrees with another one in network, data and some settings."""
    last = select(Run).where(Run.network == wanted.network, Run.dataset == wanted.dataset, Run.current_round > 0)
    asked = {name: wanted.config.get(name) for name in settings}
    runs = session.scalars(last.where(NOT_DELETED).order_by(Run.id.desc()).limit(lately))
    return next((run for run in runs if all(run.config.get(name) == value for name, value in asked.items())), None)
