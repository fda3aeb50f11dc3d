"""Events of runs and clients."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, ForeignKey, Index, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NO_ID_TWICE, NumberedRow, Row, UtcTime


class RunEvent(NumberedRow):
    """One event of a run or a client; rows are only added. Event streams send its id."""

    __tablename__ = "run_events"
    __table_args__ = (
        Index("ix_run_events_run", "run_id", "id"),
        Index("ix_run_events_client", "client_id", "id"),
        NO_ID_TWICE,
    )

    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    type: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UtcTime)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class RunProblem(Row):
    """How often a client's replies in a run had an outcome other than accepted, and the last reason."""

    __tablename__ = "run_problems"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(10), primary_key=True)
    times: Mapped[int]
    reason: Mapped[str | None] = mapped_column(Text)


RUN_EVENTS = cast(Table, RunEvent.__table__)
