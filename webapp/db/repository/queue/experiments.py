"""experiments: insert, list, count their runs, and the one function that changes the state of an experiment."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from federation.run.states import ACTIVE, RunState
from webapp.db.repository.events import add_event
from webapp.db.repository.rows import change_row
from webapp.db.repository.runs import NOT_DELETED
from webapp.db.tables import EXPERIMENT_MOVES, ROUNDS, Experiment, ExperimentState, Round, Run, RunContents

_CONTINUED = and_(Run.state == RunState.INTERRUPTED, ~Run.pausing, Run.contents == RunContents.WHOLE)
"""A run that the next start of the dashboard continues, or the person who resumes the experiment."""
_OPEN = or_(Run.state.in_((*ACTIVE, RunState.QUEUED)), _CONTINUED)


def insert_experiment(session: Session, values: dict[str, Any]) -> int:
    """Insert an experiment that runs; return its id."""
    row = {**values, "state": ExperimentState.RUNNING.value, "created_at": datetime.now(UTC)}
    experiment_id: int = session.execute(insert(Experiment).returning(Experiment.id), row).scalar_one()
    _add_event(session, experiment_id, values["name"], ExperimentState.RUNNING, None, values["started_by"])
    return experiment_id


def list_experiments(session: Session, *, limit: int = 50, offset: int = 0) -> tuple[Sequence[Experiment], int]:
    """Return a page of experiments, newest first, and how many there are."""
    newest = select(Experiment).order_by(Experiment.id.desc()).limit(limit).offset(offset)
    return session.scalars(newest).all(), session.scalar(select(func.count(Experiment.id))) or 0


def unfinished_experiments(session: Session) -> Sequence[Experiment]:
    """Return the experiments that are running or paused, oldest first."""
    open_ = (ExperimentState.RUNNING, ExperimentState.PAUSED)
    return session.scalars(select(Experiment).where(Experiment.state.in_(open_)).order_by(Experiment.id)).all()


def count_runs(session: Session, experiment_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return experiment -> state -> number of its runs."""
    query = select(Run.experiment_id, Run.state, func.count()).where(Run.experiment_id.in_(experiment_ids), NOT_DELETED)
    counts: dict[int, dict[str, int]] = {experiment_id: {} for experiment_id in experiment_ids}
    for experiment_id, state, amount in session.execute(query.group_by(Run.experiment_id, Run.state)):
        counts[experiment_id or 0][state] = amount
    return counts


def runs_of_experiment(session: Session, experiment_id: int, states: Collection[str] = ()) -> Sequence[Run]:
    """Return the runs of an experiment, by configuration, in the order in which they were queued."""
    query = select(Run).where(Run.experiment_id == experiment_id, NOT_DELETED)
    query = query.where(Run.state.in_(states)) if states else query
    return session.scalars(query.order_by(Run.configuration, Run.id)).all()


def runs_to_continue(session: Session, experiment_id: int | None = None) -> Sequence[Run]:
    """Return the interrupted runs of an experiment, or of all that run, oldest first; none that a person paused."""
    running = select(Experiment.id).where(Experiment.state == ExperimentState.RUNNING)
    of = Run.experiment_id.in_(running) if experiment_id is None else Run.experiment_id == experiment_id
    return session.scalars(select(Run).where(of, _CONTINUED).order_by(Run.id)).all()


def move_experiment(
    session: Session, experiment_id: int, to: ExperimentState, by: str | None = None
) -> ExperimentState | None:  # fmt: skip
    """Move an experiment to a state and say so in an event; return the old state, None where it does not allow that."""
    found = session.execute(select(Experiment.state, Experiment.name).where(Experiment.id == experiment_id)).one()
    old = ExperimentState(found.state)
    if to not in EXPERIMENT_MOVES[old]:
        return None
    ended = to in (ExperimentState.CANCELLED, ExperimentState.FINISHED)
    values = {"state": to.value, "finished_at": datetime.now(UTC) if ended else None} | ({"moved_by": by} if by else {})
    change_row(session, Experiment, experiment_id, **values)
    _add_event(session, experiment_id, found.name, to, old, by)
    return old


def _add_event(
    session: Session, experiment_id: int, name: str, state: ExperimentState, old: ExperimentState | None, by: str | None
) -> None:  # fmt: skip
    data = {"experiment_id": experiment_id, "name": name, "state": state, "from": old, "by": by}
    add_event(session, "experiment", data)


def settle_experiment(session: Session, experiment_id: int) -> None:
    """Finish an experiment with no run left to do, and let a finished one run again that has such a run."""
    is_open = session.scalar(select(Run.id).where(Run.experiment_id == experiment_id, _OPEN).limit(1)) is not None
    state = session.scalar(select(Experiment.state).where(Experiment.id == experiment_id))
    if state == ExperimentState.FINISHED and is_open:
        move_experiment(session, experiment_id, ExperimentState.RUNNING)
    elif state in (ExperimentState.RUNNING, ExperimentState.PAUSED) and not is_open:
        move_experiment(session, experiment_id, ExperimentState.FINISHED)


def delete_empty_experiment(session: Session, experiment_id: int) -> None:
    """Delete an experiment whose last run is gone."""
    there = select(Run.id).where(Run.experiment_id == experiment_id)
    session.execute(delete(Experiment).where(Experiment.id == experiment_id, ~there.exists()))


def last_spreads(session: Session, experiment_id: int, key: str) -> dict[int, list[float]]:
    """Return run -> the fields of ``Spread`` of a metric, such as ``evaluate_accuracy``, in its last round."""
    last = and_(Round.run_id == Run.id, Round.round == Run.current_round)
    query = select(Run.id, ROUNDS.c.spread[key].as_string()).join(Round, last)
    rows = session.execute(query.where(Run.experiment_id == experiment_id, NOT_DELETED, ROUNDS.c.spread.is_not(None)))
    return {run_id: json.loads(spread) for run_id, spread in rows if spread}
