"""Entries of the audit log that match a filter, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from webapp.db.tables import AUDIT_ENTRIES

C = AUDIT_ENTRIES.c


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: parts of the name of who acted and of the action, a whole target, the outcome, a span of time."""

    actor: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


def find_entries(session: Session, wanted: AuditFilter, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Return matching entries, newest first; with ``before`` those with smaller ids."""
    query = _filter(select(AUDIT_ENTRIES), wanted).order_by(C.id.desc()).limit(limit)
    if before is not None:
        query = query.where(C.id < before)
    return [dict(row) for row in session.connection().execute(query).mappings()]


def count_entries(session: Session, wanted: AuditFilter) -> int:
    """Return the number of matching entries."""
    return session.scalar(_filter(select(func.count(C.id)), wanted)) or 0


def _filter(query: Select[Any], wanted: AuditFilter) -> Select[Any]:
    if wanted.actor:
        query = query.where(C.actor.icontains(wanted.actor, autoescape=True))
    if wanted.action:
        query = query.where(C.action.icontains(wanted.action, autoescape=True))
    if wanted.target:  # one of several, such as "run 1, run 12"
        targets = literal(", ") + C.target + literal(",")
        query = query.where(targets.contains(f", {wanted.target},", autoescape=True))
    if wanted.outcome:
        query = query.where(C.outcome == wanted.outcome)
    if wanted.since is not None:
        query = query.where(C.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(C.at < wanted.until)
    return query
