"""/api/audit.csv and /api/audit.jsonl: the entries that a filter leaves, as files."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from webapp.db.audit_chain import CONTENT, plain
from webapp.db.database import Database
from webapp.db.repository.audit.search import AuditFilter, find_entries
from webapp.routes.api.audit.entries import FilterDep
from webapp.routes.api.errors import REFUSED
from webapp.routes.api.results.file_responses import ByteOrderMark, attachment
from webapp.routes.dependencies import PartsDep
from webapp.sanitizing import csv_cell, csv_text

router = APIRouter(prefix="/api", tags=["audit"], responses=REFUSED)

PIECE = 1000
COLUMNS = (*CONTENT, "hash")


@router.get(
    "/audit.csv", response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"example": ",".join(COLUMNS) + "\r\n"}}}},
)  # fmt: skip
def download_audit_csv(parts: PartsDep, wanted: FilterDep, bom: ByteOrderMark = False) -> StreamingResponse:
    """Return matching entries as CSV, newest first. Texts that a spreadsheet would read as a formula are quoted."""
    lines = chain(["\ufeff"] if bom else [], _csv(parts.database, wanted))
    return StreamingResponse(lines, media_type="text/csv", headers=attachment("audit.csv"))


@router.get(
    "/audit.jsonl",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {"example": "{}\n"}}}},
)
def download_audit_json(parts: PartsDep, wanted: FilterDep) -> StreamingResponse:
    """Return matching entries, newest first, a line of JSON each."""
    lines = (json.dumps(plain(entry)) + "\n" for piece in _pieces(parts.database, wanted) for entry in piece)
    return StreamingResponse(lines, media_type="application/jsonl", headers=attachment("audit.jsonl"))


def _csv(database: Database, wanted: AuditFilter) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for piece in _pieces(database, wanted):
        yield csv_text(_cells(plain(entry)) for entry in piece)


def _cells(entry: dict[str, Any]) -> list[str | int | None]:
    values = ({**entry, "detail": json.dumps(entry["detail"])}[name] for name in COLUMNS)
    return [csv_cell(value) if isinstance(value, str) else value for value in values]


def _pieces(database: Database, wanted: AuditFilter) -> Iterator[list[dict[str, Any]]]:
    """Give the entries by the thousand, each in a transaction of its own: a slow reader must not hold a connection."""
    before: int | None = None
    while True:
        with database.read() as session:
            found = find_entries(session, wanted, before, PIECE)
        if not found:
            return
        yield found
        before = found[-1]["id"]
