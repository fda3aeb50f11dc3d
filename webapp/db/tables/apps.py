"""Flower Apps that were uploaded. Their FABs are files, named by hash."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NumberedRow, UtcTime


class AppState(StrEnum):
    """Whether an app may run."""

    UPLOADED = "uploaded"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"
    """It was approved once, or was refused."""


APP_MOVES: dict[AppState, frozenset[AppState]] = {
    AppState.UPLOADED: frozenset({AppState.APPROVED, AppState.WITHDRAWN}),
    AppState.APPROVED: frozenset({AppState.WITHDRAWN}),
    AppState.WITHDRAWN: frozenset({AppState.APPROVED}),
}
"""State -> the states that an admin may move an app to."""


class App(NumberedRow):
    """One FAB. Publisher, name, version and settings are those of its pyproject.toml, settings with their defaults."""

    __tablename__ = "apps"

    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the FAB. What is approved is this hash."""
    publisher: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(100))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    files: Mapped[int]
    size_bytes: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    added_by: Mapped[str] = mapped_column(String(100))
    added_at: Mapped[datetime] = mapped_column(UtcTime)
    decided_by: Mapped[str | None] = mapped_column(String(100))
    """The admin who approved or withdrew it last."""
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
