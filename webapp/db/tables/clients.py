"""Clients, the codes by which they join, and their failed tasks."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NullableJson, NumberedRow, Row, UtcTime


class Client(NumberedRow):
    """One client, by its public key. Only the Flower server knows whether it is online."""

    __tablename__ = "clients"

    public_key: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(String(64))
    said_name: Mapped[str | None] = mapped_column(String(64))
    """The name that the client reports, where a person gave it another; NULL where ``name`` is the reported one."""
    state: Mapped[str] = mapped_column(String(10))
    """admitted, pending or revoked."""
    kind: Mapped[str] = mapped_column(String(10))
    lane: Mapped[str] = mapped_column(String(10))
    node_id: Mapped[str | None] = mapped_column(String(20))
    """Flower's node id, an unsigned 64-bit number in decimal."""
    left_out: Mapped[bool] = mapped_column(default=False)
    """Excluded from all runs by a person."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    versions: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    data_schema: Mapped[dict[str, Any] | None] = mapped_column(NullableJson, deferred=True)
    """The ``ClientSchema`` of data of the client's own, of which ``data`` has a summary: up to 250 KB."""
    first_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)


class JoinCode(NumberedRow):
    """A code that admits one client within its time. Times are compared with the clock of the dashboard's machine."""

    __tablename__ = "join_codes"

    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 (hex) of the secret, which is stored nowhere."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    created_by: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id", ondelete="SET NULL"))
    """The client that used it; NULL before that, and after the client is deleted."""
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    name: Mapped[str | None] = mapped_column(String(64))
    dataset: Mapped[str | None] = mapped_column(String(40))
    partition: Mapped[int | None]
    partitions: Mapped[int | None]


class TaskFailure(Row):
    """The last failed task of a client. ``log`` is NULL where the client does not share its log."""

    __tablename__ = "task_failures"

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcTime)
    error: Mapped[str] = mapped_column(Text)
    frames: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """The last frames of the app's own code, the innermost last: file, line, function, code."""
    log: Mapped[list[str] | None] = mapped_column(NullableJson)
