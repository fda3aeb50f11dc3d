"""/api/audit: entries of the audit log, and the check of the whole chain."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, BeforeValidator, Field

from webapp.db.repository.audit.search import AuditFilter, count_entries, find_entries
from webapp.operations.audit.attempts import Outcome
from webapp.operations.audit.log import CheckView
from webapp.problems import Invalid
from webapp.routes.api.errors import REFUSED
from webapp.routes.dependencies import MAX_ID, NO_NUL, PartsDep

router = APIRouter(prefix="/api", tags=["audit"], responses=REFUSED)

Word = Annotated[str, Field(max_length=120, pattern=NO_NUL)]
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _with_date(text: object) -> object:
    """Refuse a bare number, which pydantic takes for a Unix time: the description promises a date."""
    if isinstance(text, str) and not _DATE.match(text):
        raise ValueError("write a date and a time, such as 2026-11-29T12:00:00Z")
    return text


Moment = Annotated[datetime, BeforeValidator(_with_date)]


class EntryView(BaseModel):
    """Who did what to what, from where, when, and how it ended."""

    id: int = Field(description="Position in the log, from 1 without gaps.")
    at: datetime
    actor_kind: str = Field(examples=["user"])
    actor_id: int | None
    actor: str = Field(examples=["ada"])
    action: str = Field(examples=["POST /api/runs/{run_id}/stop"])
    target: str = Field(examples=["run 12"])
    address: str = Field(examples=["192.0.2.7"])
    outcome: Outcome
    status: int | None
    detail: dict[str, Any]
    previous: str = Field(description="Hash of the entry before.")
    hash: str = Field(description="SHA-256 of the entry's content.")


class EntryList(BaseModel):
    """Entries, newest first. Call again with ``before`` = id of the last one for older entries."""

    items: list[EntryView]
    total: int = Field(description="Number of matching entries.")


def read_filter(
    actor: Annotated[Word, Query(description="Part of the name of who acted.")] = "",
    action: Annotated[Word, Query(description="Part of the action.")] = "",
    target: Annotated[Word, Query(description="A target, such as `run 12`.")] = "",
    outcome: Annotated[Outcome | None, Query(description="How the action ended.")] = None,
    since: Annotated[Moment | None, Query(description="Entries from this time on; without a zone: UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Entries before this time.")] = None,
) -> AuditFilter:
    """Return the filter of the address."""
    return AuditFilter(actor, action, target, outcome or "", _in_utc(since, "since"), _in_utc(until, "until"))


FilterDep = Annotated[AuditFilter, Depends(read_filter)]


def _in_utc(moment: datetime | None, name: str) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise Invalid(name, "is out of range") from error


@router.get("/audit")
def list_audit_entries(
    parts: PartsDep,
    wanted: FilterDep,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID, description="Entries with smaller ids.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of entries.")] = 100,
) -> EntryList:
    """Return entries of the audit log, newest first."""
    with parts.database.read() as session:
        found = find_entries(session, wanted, before, limit)
        total = count_entries(session, wanted)
    return EntryList(items=[EntryView.model_validate(one) for one in found], total=total)


@router.get("/audit/verify")
def verify_audit_log(parts: PartsDep) -> CheckView:
    """Look at every entry: each must continue the one before, and match its hash."""
    return parts.audit.check()
