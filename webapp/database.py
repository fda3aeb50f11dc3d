"""The engine, its pragmas, and the two ways to use it: ``read()`` and ``write()``. Tells what was committed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from sqlite3 import SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR, SQLITE_LOCKED
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from federation.events import StoreUnavailable
from webapp.repository.events import StoredEvent, added_events
from webapp.reserve import Reserve

__all__ = ["Database", "Publish", "Session"]

BUSY_TIMEOUT_SECONDS = 15
PASSING = (SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL, SQLITE_IOERR)
"""Errors of SQLite that may be over later; so may every OperationalError of another database."""

Publish = Callable[[Sequence[StoredEvent]], None]


class Database:
    """One SQLite file or PostgreSQL database. One writer at a time in this process, any number of readers.

    ``publish`` gets the run events of each transaction after its commit, in the order of their ids.
    """

    def __init__(self, url: str, publish: Publish | None = None, reserve: Reserve | None = None) -> None:
        self.engine = _create_engine(url)
        self.publish, self._reserve = publish, reserve
        self._writer = self.engine.execution_options(meadow_writes=True)
        self._writing = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; what it returns may be used after the block."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give the one writing session: commits at the end of the block, or nothing at all when it raises.

        Raises StoreUnavailable where the same may well succeed later.
        """
        try:
            with self._writing, Session(self._writer, expire_on_commit=False) as session:
                yield session
                session.commit()
                if self.publish and (events := added_events(session)):
                    self.publish(events)
                if self._reserve is not None and not self._reserve.is_held:
                    self._reserve.hold()
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", SQLITE_BUSY) & 0xFF
            if code == SQLITE_FULL and self._reserve is not None:
                self._reserve.release()
            if code not in PASSING:
                raise
            raise StoreUnavailable(f"The database cannot be written now: {error.orig}") from error

    def check(self) -> None:
        """Ask the database for an answer; raises what SQLAlchemy raises when there is none."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the file."""
        self.engine.dispose()


def _create_engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=40)
    engine = create_engine(parsed, pool_size=10, max_overflow=40, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: SqliteConnection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing itself: _begin_sqlite does
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}", "journal_mode = WAL", "synchronous = NORMAL",
        "foreign_keys = ON", "cache_size = -16000", "wal_autocheckpoint = 4000",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A read that becomes a write fails at once with "database is locked"; IMMEDIATE waits its turn instead.
    writes = connection.get_execution_options().get("meadow_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
