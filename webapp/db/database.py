"""The engine with its pragmas, and the two ways to use it: ``read()`` and ``write()``. Publishes committed events."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from webapp.db.database_url import connect_options, parse_database_url
from webapp.db.disk_reserve import DiskReserve
from webapp.db.failures import POOL, RESTORED, TURN, DatabaseUnavailable, is_full, temporary_failure
from webapp.db.instance_lock import InstanceLock, SqliteLock
from webapp.db.repository.events import StoredEvent, added_events

__all__ = ["Database", "DatabaseUnavailable", "Publish", "Session"]

log = logging.getLogger(__name__)

BUSY_TIMEOUT_SECONDS = 15
SOON_SECONDS, MAX_WAITING = 1.0, 16
"""Writers that have waited so long for others give up if so many wait: readers need threads of the web server, too."""

Publish = Callable[[Sequence[StoredEvent]], None]
BeforeCommit = Callable[[Session, Sequence[StoredEvent]], None]


class Database:
    """One SQLite file or PostgreSQL database. One writer at a time in this process, any number of readers.

    ``publish`` gets the run events of each transaction after its commit, in the order of their ids, on the thread that
    wrote. ``failed`` is called before DatabaseUnavailable is raised. Any thread may use a database.
    """

    def __init__(
        self,
        url: str,
        publish: Publish | None = None,
        reserve: DiskReserve | None = None,
        instance_lock: InstanceLock | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ending = threading.Event()
        self.engine = _create_engine(url, self._ending)
        self.publish, self._reserve, self._failed = publish, reserve, failed
        self._lock = instance_lock or InstanceLock()
        self.newest_event_id = 0
        """Of the events that were committed here, or there before. Any thread may read it."""
        if isinstance(instance_lock, SqliteLock):
            instance_lock.watch(self.engine)
        locked = instance_lock.writer if instance_lock is not None else None
        self._writer = locked or self.engine.execution_options(meadow_writes=True)
        self._writing = threading.Lock()
        self._waiting: list[int] = []  # one entry for each thread that waits: adding and removing one needs no lock
        self.before_commit: BeforeCommit = lambda _session, _events: None
        """Gets the events of each transaction, and may write more in it."""

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; the rows that it returns may be used after the block.

        Raises DatabaseUnavailable where a later try may succeed.
        """
        with self._failures(), Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give the only writing session. The end of the block commits; a block that raises changes nothing.

        Raises DatabaseUnavailable where a later try may succeed.
        """
        with self._failures(), self._turn(), Session(self._writer, expire_on_commit=False) as session:
            yield session
            events = added_events(session)
            if events:
                self.require_newer(self.newest_event_id, events[0].id - 1)
                self._add_to(session, events)
            session.commit()
            if events:
                self.newest_event_id = events[-1].id
            if self.publish and events:
                self.publish(events)
            if self._reserve is not None and not self._reserve.is_held:
                self._reserve.hold()

    def require_newer(self, stored: int, given: int) -> None:
        """Give the database up if the highest id ``given`` to an event later is lower than the ``stored`` one.

        No id is given twice, also when rows are deleted: an older state of the database has taken its place. Raises
        DatabaseUnavailable.
        """
        if given < stored:
            self._lock.lose(f"{RESTORED}: event {stored:,} was stored, the newest in it is {given:,}")
            raise DatabaseUnavailable(RESTORED)

    def _add_to(self, session: Session, events: Sequence[StoredEvent]) -> None:
        """Call ``before_commit``; a transaction fails with the database only, not for a notification."""
        try:
            self.before_commit(session, events)
        except DBAPIError:
            raise
        except Exception:
            log.exception("notifications of %s are lost", ", ".join(event.type for event in events))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other writers of this process, as long as for those of others; not where many wait too long."""
        self._waiting.append(1)
        try:
            mine = self._writing.acquire(timeout=SOON_SECONDS)
            if not mine and len(self._waiting) <= MAX_WAITING and not self._ending.is_set():
                mine = self._writing.acquire(timeout=BUSY_TIMEOUT_SECONDS)
        finally:
            self._waiting.pop()
        if not mine:
            raise DatabaseUnavailable(TURN)
        try:
            if self._lock.lost is not None:
                raise DatabaseUnavailable(self._lock.lost.partition(":")[0])
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise DatabaseUnavailable for failures that may be over later; a full disk also releases the reserve."""
        try:
            yield
        except PoolTimeout as error:
            self._failed()
            raise DatabaseUnavailable(POOL, error) from error
        except DBAPIError as error:
            if is_full(error) and self._reserve is not None:
                self._reserve.release()
            failure = temporary_failure(error)
            if failure is None:
                raise
            self._failed()
            raise failure from error

    def check(self) -> None:
        """Read nothing; raises DatabaseUnavailable or an error of SQLAlchemy where the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def end_soon(self) -> None:
        """The process ends: writers that have waited for a second for another program give up."""
        self._ending.set()

    def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the file."""
        self.engine.dispose()


def _create_engine(url: str, ending: threading.Event) -> Engine:
    parsed = parse_database_url(url)
    if parsed.get_backend_name() != "sqlite":
        options = connect_options(parsed)
        return create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=40, connect_args=options)
    engine = create_engine(parsed, pool_size=10, max_overflow=40, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", partial(_begin_sqlite, ending))
    return engine


def _prepare_sqlite(connection: SqliteConnection, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction: _begin_sqlite does
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}", "journal_mode = WAL", "synchronous = NORMAL",
        "foreign_keys = ON", "cache_size = -16000", "wal_autocheckpoint = 4000",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(ending: threading.Event, connection: Connection) -> None:
    # A transaction that reads first fails at its first write while another writes; IMMEDIATE waits for its turn. It
    # waits a second at a time, because SQLite itself would not notice that the process ends.
    if not connection.get_execution_options().get("meadow_writes"):
        connection.exec_driver_sql("BEGIN")
        return
    raw, until = connection.connection.driver_connection, time.monotonic() + BUSY_TIMEOUT_SECONDS
    assert raw is not None
    raw.execute(f"PRAGMA busy_timeout = {round(SOON_SECONDS * 1000)}")
    try:
        while time.monotonic() < until - SOON_SECONDS and not ending.is_set():
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
