"""The audit log."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import Id, Row, UtcTime


class AuditEntry(Row):
    """One change or refused attempt. Triggers of the database refuse to change and to delete entries."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    """The position in the log, from 1 without gaps."""
    at: Mapped[datetime] = mapped_column(UtcTime)
    actor_kind: Mapped[str] = mapped_column(String(20))
    """local, user, token, anonymous, client, command or server."""
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(100))
    """The name at that time: accounts can be renamed and deleted."""
    action: Mapped[str] = mapped_column(String(120))
    target: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(10))
    """done, refused or failed."""
    status: Mapped[int | None]
    """Of the HTTP answer; the close code of a client."""
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String(64))
    """The hash of the entry before."""
    hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of all other columns, as ``audit_chain`` computes it."""


AUDIT_ENTRIES = cast(Table, AuditEntry.__table__)
