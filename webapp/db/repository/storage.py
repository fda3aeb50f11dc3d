"""What the database reports about itself: its kind, version, size and migration; faults in it; copies of SQLite."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.tables import Run, RunContents


@dataclass(frozen=True, slots=True)
class Storage:
    """What a database reports about itself; ``size_bytes`` includes indexes and free pages."""

    kind: str
    version: str
    size_bytes: int
    migration: str


def storage_of(session: Session) -> Storage:
    """Return what the database reports about itself."""
    migration = str(session.scalar(text("SELECT version_num FROM alembic_version")) or "none")
    if session.get_bind().dialect.name == "postgresql":
        version = str(session.scalar(text("SHOW server_version")))
        size = session.scalar(text("SELECT pg_database_size(current_database())"))
        return Storage("PostgreSQL", version.split(" ")[0], int(size or 0), migration)
    pages = session.scalar(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))
    return Storage("SQLite", str(session.scalar(text("SELECT sqlite_version()"))), int(pages or 0), migration)


def faults_of(session: Session) -> list[str]:
    """Return what SQLite finds damaged in its file, up to 100 sentences. PostgreSQL checks its own pages."""
    if session.get_bind().dialect.name == "postgresql":
        return []
    damaged = [line for line in session.scalars(text("PRAGMA integrity_check(100)")) if line != "ok"]
    orphans = [f"{row[0]}, row {row[1]}: no {row[2]}" for row in session.execute(text("PRAGMA foreign_key_check"))]
    return [*damaged, *orphans][:100]


def last_checkpoints(session: Session) -> list[tuple[int, dict[str, Any]]]:
    """Return the id and the last checkpoint of each run that has one on disk, oldest run first."""
    there = (Run.state != RunState.DELETED, Run.contents == RunContents.WHOLE)
    rows = session.execute(select(Run.id, Run.checkpoint).where(*there).order_by(Run.id))
    return [(run_id, checkpoint) for run_id, checkpoint in rows if checkpoint]


def copy_sqlite(source: Path, target: Path, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Copy a database of SQLite as it is at one moment, while others use it; ``meanwhile`` is called at that moment.

    Commits of others wait while ``meanwhile`` runs, at most as long as their time-out. Raises sqlite3.Error.
    """
    address = f"{source.resolve().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=15, isolation_level=None)) as lock,
        closing(sqlite3.connect(address, uri=True, timeout=15, isolation_level=None)) as reader,
        closing(sqlite3.connect(target)) as copy,
    ):
        lock.execute("BEGIN IMMEDIATE")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # here the reader's snapshot begins
        meanwhile()
        lock.execute("ROLLBACK")
        reader.backup(copy)
