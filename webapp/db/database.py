"""The engine, its pragmas, and the two ways to use it: ``read()`` and ``write()``. Tells what was committed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from sqlite3 import Connection as SqliteConnection
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from webapp.db.address import reach, read_address
from webapp.db.disk_reserve import Reserve
from webapp.db.failures import DatabaseUnavailable, is_full, outage_of
from webapp.db.repository.events import StoredEvent, added_events

__all__ = ["Database", "DatabaseUnavailable", "Publish", "Session"]

BUSY_TIMEOUT_SECONDS = 15

Publish = Callable[[Sequence[StoredEvent]], None]


class Tenure(Protocol):
    """What says that the database is this dashboard's to write."""

    def check(self, connection: Connection) -> None:
        """Raise DatabaseUnavailable where it is not, or not any more; asked in every transaction that writes."""


class Database:
    """One SQLite file or PostgreSQL database. One writer at a time in this process, any number of readers.

    ``publish`` gets the run events of each transaction after its commit, in the order of their ids.
    """

    def __init__(
        self, url: str, publish: Publish | None = None, reserve: Reserve | None = None, tenure: Tenure | None = None
    ) -> None:
        self.engine = _create_engine(url)
        self.publish, self._reserve, self._tenure = publish, reserve, tenure
        self._writer = self.engine.execution_options(meadow_writes=True)
        self._writing = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; what it returns may be used after the block.

        Raises DatabaseUnavailable where the same may well succeed later.
        """
        with self._told_apart(), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give the one writing session: commits at the end of the block, or nothing at all when it raises.

        Raises DatabaseUnavailable where the same may well succeed later.
        """
        with self._told_apart(), self._writing, Session(self._writer, expire_on_commit=False) as session:
            if self._tenure is not None:
                self._tenure.check(session.connection())
            yield session
            session.commit()
            if self.publish and (events := added_events(session)):
                self.publish(events)
            if self._reserve is not None and not self._reserve.is_held:
                self._reserve.hold()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Tell what may be over later from what is a mistake of ours; on a full disk give up the reserve."""
        try:
            yield
        except DBAPIError as error:
            if is_full(error) and self._reserve is not None:
                self._reserve.release()
            outage = outage_of(error)
            if outage is None:
                raise
            raise outage from error

    def check(self) -> None:
        """Ask the database for an answer; raises DatabaseUnavailable, or what SQLAlchemy raises, when there is none."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the file."""
        self.engine.dispose()


def _create_engine(url: str) -> Engine:
    address = read_address(url)
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True, pool_size=10, max_overflow=40, connect_args=reach(address))
    engine = create_engine(address, pool_size=10, max_overflow=40, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
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
