"""The page of the audit log: the query of its address, its rows in words, and the state of the chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from webapp.db.repository.audit.entries import head_of
from webapp.db.repository.audit.search import AuditFilter, count_entries, find_entries
from webapp.operations.audit.attempts import Outcome
from webapp.operations.audit.log import CheckView
from webapp.sanitizing import clean_text, whole_number

PAGE_ENTRIES, MAX_SEARCH = 100, 120
OUTCOMES = (("", "All"), ("done", "Done"), ("refused", "Refused"), ("failed", "Failed"))
GLYPHS = {"done": "completed", "refused": "refused", "failed": "failed"}
WHO = {"local": "this machine", "anonymous": "not signed in", "server": "server"}
KINDS = {"token": "API token", "command": "command line", "client": "client"}


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """The query of the page's address. ``since`` and ``until`` are days, the last one included, in UTC."""

    actor: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    before: int = 0

    @property
    def wanted(self) -> AuditFilter:
        """The filter for the repository."""
        until = _day(self.until)
        after = until + timedelta(days=1) if until is not None else None
        return AuditFilter(self.actor, self.action, self.target, self.outcome, _day(self.since), after)

    @property
    def filtered(self) -> bool:
        """Whether the query narrows the list."""
        return replace(self, before=0) != AuditQuery()

    def to(self, **changes: str | int) -> str:
        """Return the page's address with some values changed."""
        values = {name: getattr(self, name) for name in AuditQuery.__slots__} | changes
        query = urlencode({name: value for name, value in values.items() if value})
        return f"/audit{'?' if query else ''}{query}"

    def export(self, ending: str) -> str:
        """Return the address of the API that exports what the page lists."""
        wanted = self.wanted
        values = {name: getattr(wanted, name) for name in AuditFilter.__slots__}
        given = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
        query = urlencode(
            {name: value for name, value in given.items() if value} | ({"bom": 1} if ending == "csv" else {})
        )
        return f"/api/audit.{ending}{'?' if query else ''}{query}"


def audit_query(query: Mapping[str, str]) -> AuditQuery:
    """Read the query of the page; an unknown value counts as none."""
    text = {name: clean_text(query.get(name, ""), MAX_SEARCH) for name in ("actor", "action", "target")}
    outcome = query.get("outcome", "")
    days = {name: query.get(name, "") if _day(query.get(name, "")) else "" for name in ("since", "until")}
    return AuditQuery(
        **text, **days, outcome=outcome if outcome in list(Outcome) else "",
        before=whole_number(query.get("before"), most=2**53) or 0,
    )  # fmt: skip


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """The page; a line is an entry with its words. ``check`` is the last look at the whole chain, None before any."""

    query: AuditQuery
    lines: list[dict[str, Any]]
    total: int
    entries: int
    head: str
    check: CheckView | None
    older: str


def audit_page(session: Session, query: AuditQuery, check: CheckView | None) -> AuditPage:
    """Gather a page of the log."""
    found = find_entries(session, query.wanted, query.before or None, PAGE_ENTRIES + 1)
    entries, head = head_of(session)
    lines = [_line(entry) for entry in found[:PAGE_ENTRIES]]
    older = query.to(before=lines[-1]["id"]) if len(found) > PAGE_ENTRIES else ""
    total = count_entries(session, query.wanted) if query.filtered else entries
    return AuditPage(query, lines, total, entries, head, check, older)


def _line(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = entry["actor_kind"]
    return {
        **entry, "who": entry["actor"] or WHO.get(kind, kind), "kind": KINDS.get(kind, ""),
        "glyph": GLYPHS.get(entry["outcome"], "failed"), "detail": _words(entry["detail"]),
    }  # fmt: skip


def _words(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in detail.items())


def _word(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(str, value))
    return str(value)
