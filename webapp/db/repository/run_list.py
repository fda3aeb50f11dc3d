"""The list of runs: search, filter, sort, the values to filter by, and the archive."""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from webapp.db.repository.runs import NOT_DELETED, active_seconds
from webapp.db.tables import Run

Sort = Literal["newest", "name", "state", "best", "rounds", "longest", "strategy", "network", "dataset", "started"]
TEXTS: dict[Sort, Any] = {"name": Run.name, "state": Run.state, "strategy": Run.strategy, "network": Run.network,
          "dataset": Run.dataset}  # fmt: skip
ORDERS: dict[Sort, Any] = {
    "newest": Run.id, "best": Run.best_metrics["evaluate_accuracy"]["value"].as_float(), "rounds": Run.current_round,
    "started": Run.started_at, **{name: func.lower(text) for name, text in TEXTS.items()},
}  # fmt: skip
"""What a list is sorted by; for ``longest`` that depends on the clock."""
FILTERS = ("network", "dataset", "strategy")
MAX_TAGS = 100
"""A search takes this many of the tags that it finds."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A setting of runs: its place in the configuration, none for the experiment; whether its values are numbers; and
    the other settings with the values beside which it applies."""

    path: tuple[str, ...]
    is_number: bool = False
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows, and in which order. An empty field filters nothing."""

    states: Collection[str] = ()
    q: str = ""
    """A part of one of a run's texts or tags, or its id."""
    network: str = ""
    dataset: str = ""
    strategy: str = ""
    tag: str = ""
    archived: bool | None = False
    """None: both those in the archive and the others."""
    sort: Sort = "newest"
    group: Grouping | None = None
    """What the runs are sorted by first; those without a value come last."""
    backwards: bool = False
    """Whether the order is the opposite of the usual one: texts from A, numbers and times from the largest."""


def all_tags(session: Session) -> list[str]:
    """Return the tags of all runs, sorted."""
    tags = session.scalars(select(Run.tags).where(cast(Run.tags, String) != "[]", NOT_DELETED))
    return sorted({tag for of in tags for tag in of})


def has_tag(tag: str) -> ColumnElement[bool]:
    """Return the condition that a run has a tag; tags are stored as JSON."""
    return cast(Run.tags, String).contains(json.dumps(tag), autoescape=True)


def find_runs(session: Session, run_filter: RunFilter, limit: int, offset: int = 0) -> tuple[Sequence[Run], int]:
    """Return a page of the matching runs, and the number of all of them."""
    column = active_seconds(time.monotonic()) if run_filter.sort == "longest" else ORDERS[run_filter.sort]
    ascending = (run_filter.sort in TEXTS) != run_filter.backwards
    order = [column.asc() if ascending else column.desc(), Run.id.desc()]
    if run_filter.sort != "newest":  # PostgreSQL uses no index where NULLs have a place
        order[0] = order[0].nulls_last()
    if run_filter.group is not None:
        order.insert(0, _group(run_filter.group).asc().nulls_last())
    rows = session.scalars(_filter(session, select(Run), run_filter).order_by(*order).limit(limit).offset(offset)).all()
    return rows, session.scalar(_filter(session, select(func.count(Run.id)), run_filter)) or 0


def group_sizes(session: Session, run_filter: RunFilter) -> dict[Any, int]:
    """Return value -> number of the matching runs, where these are grouped; None is the value of all others."""
    if run_filter.group is None:
        return {}
    value = _group(run_filter.group).label("value")
    query = _filter(session, select(value, func.count(Run.id)), run_filter)
    return dict(session.execute(query.group_by(value)).all())


def _group(group: Grouping) -> ColumnElement[Any]:
    """Return the value by which a run is grouped; NULL where the setting does not apply, is empty, or is not set."""
    if not group.path:
        return Run.__table__.c.experiment_id
    place: Any = Run.config[group.path if len(group.path) > 1 else group.path[0]]
    value = place.as_float() if group.is_number else func.nullif(place.as_string(), "")
    needed = [Run.config[name].as_string().in_(values) for name, values in group.needs]
    return case((and_(true(), *needed), value), else_=None)


def _filter(session: Session, query: Select[Any], run_filter: RunFilter) -> Select[Any]:
    query = query.where(NOT_DELETED)
    if run_filter.states:
        query = query.where(Run.state.in_(run_filter.states))
    if q := run_filter.q.strip():
        texts = (Run.name, Run.network, Run.dataset, Run.strategy, Run.note)
        words = [column.icontains(q, autoescape=True) for column in texts]
        words += [has_tag(tag) for tag in all_tags(session) if q.casefold() in tag.casefold()][:MAX_TAGS]
        number = q.removeprefix("#")
        is_id = number.isascii() and number.isdigit() and len(number) < 16
        query = query.where(or_(*words, Run.id == int(number)) if is_id else or_(*words))
    if run_filter.archived is not None:
        query = query.where(Run.archived_at.is_not(None) if run_filter.archived else Run.archived_at.is_(None))
    for name in FILTERS:
        if value := getattr(run_filter, name):
            query = query.where(getattr(Run, name) == value)
    if run_filter.tag:
        query = query.where(has_tag(run_filter.tag))
    return query


def filter_choices(session: Session) -> dict[str, list[str]]:
    """Return for each filter the values that occur in any run."""
    choices = {
        name: list(session.scalars(select(getattr(Run, name)).where(NOT_DELETED).distinct())) for name in FILTERS
    }
    return {name: sorted(values) for name, values in choices.items()} | {"tag": all_tags(session)}


def runs_of(session: Session, run_ids: Sequence[int]) -> list[Run]:
    """Return the existing runs of some ids, in the order of the ids, each once."""
    known = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(run_ids), NOT_DELETED))}
    return [known[run_id] for run_id in dict.fromkeys(run_ids) if run_id in known]


def set_archived(session: Session, run_ids: Collection[int], *, archived: bool) -> list[int]:
    """Archive ended runs, or take runs out of the archive; return the ids of the runs that changed."""
    rows = update(Run).where(Run.id.in_(run_ids), NOT_DELETED)
    if archived:
        rows = rows.where(Run.archived_at.is_(None), Run.state.not_in(ACTIVE), Run.state != "queued")
    else:
        rows = rows.where(Run.archived_at.is_not(None))
    changed = session.scalars(rows.values(archived_at=datetime.now(UTC) if archived else None).returning(Run.id))
    return sorted(changed.all())
