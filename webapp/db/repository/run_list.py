"""The list of runs: search, filter, sort, the values to filter by, and the archive."""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, cast, func, select, update
from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from webapp.db.repository.runs import NOT_DELETED, active_seconds, filter_runs
from webapp.db.tables import Run

Sort = Literal["newest", "best", "longest"]
FILTERS = ("network", "dataset", "strategy")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows, and in which order. An empty field filters nothing."""

    states: Collection[str] = ()
    q: str = ""
    network: str = ""
    dataset: str = ""
    strategy: str = ""
    tag: str = ""
    archived: bool = False
    sort: Sort = "newest"


def find_runs(session: Session, run_filter: RunFilter, limit: int, offset: int = 0) -> tuple[Sequence[Run], int]:
    """Return a page of the matching runs, and the number of all of them."""
    order = [*_order(session, run_filter.sort), Run.id.desc()]
    rows = session.scalars(_filter(select(Run), run_filter).order_by(*order).limit(limit).offset(offset)).all()
    return rows, session.scalar(_filter(select(func.count(Run.id)), run_filter)) or 0


def _filter(query: Select[Any], run_filter: RunFilter) -> Select[Any]:
    query = filter_runs(query, run_filter.states, run_filter.q)
    query = query.where(Run.archived_at.is_not(None) if run_filter.archived else Run.archived_at.is_(None))
    for name in FILTERS:
        if value := getattr(run_filter, name):
            query = query.where(getattr(Run, name) == value)
    if run_filter.tag:
        query = query.where(cast(Run.tags, String).contains(json.dumps(run_filter.tag), autoescape=True))
    return query


def _order(session: Session, sort: Sort) -> list[ColumnElement[Any]]:
    if sort == "best":
        best = Run.best_metrics["evaluate_accuracy"]["value"].as_float()
        return [best.desc().nulls_last()]
    if sort == "longest":
        return [active_seconds(time.monotonic()).desc()]
    return []


def filter_choices(session: Session) -> dict[str, list[str]]:
    """Return for each filter the values that occur in any run."""
    choices = {
        name: list(session.scalars(select(getattr(Run, name)).where(NOT_DELETED).distinct())) for name in FILTERS
    }
    tags = session.scalars(select(Run.tags).where(cast(Run.tags, String) != "[]", NOT_DELETED))
    return {name: sorted(values) for name, values in choices.items()} | {"tag": sorted({t for of in tags for t in of})}


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
