"""One dashboard per database: a lock file beside the file of SQLite, or an advisory lock of PostgreSQL.

The lock is taken before the migrations, because a dashboard that starts interrupts the runs that it finds active.
"""

import contextlib
import logging
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from webapp.db.database_url import DatabaseUnusable, connect_options, parse_database_url, startup_failures
from webapp.db.failures import AWAY, REPLACED, TAKEN_OVER, UNREADABLE, DatabaseUnavailable
from webapp.db.repository import advisory_lock
from webapp.lock_file import DataInUse, LockFile, url_in

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

PING_SECONDS = 3.0


class InstanceLock:
    """Holds the database for this process by a lock file; without one the data directory's lock file covers it."""

    lost: str | None = None
    """Why this process has the database no more, and must end. Any thread may read it."""
    writer: Engine | None = None
    """The only engine that may write to the database, where the lock depends on it."""

    def __init__(self, file: LockFile | None = None) -> None:
        self._file = file

    def show_address(self, address: dict[str, Any]) -> None:
        """Tell other dashboards where this one serves: ``host``, ``port`` and so on."""
        if self._file is not None:
            self._file.show_address(address)

    def is_lost(self) -> bool:
        """Return whether the database is lost: ``lost`` says why. Takes microseconds; any thread may call it."""
        return self.lost is not None

    def lose(self, reason: str) -> None:
        """Give the database up, so that nothing more is written to it and the process ends; the first reason stays."""
        if self.lost is None:
            self.lost = reason
            log.error("%s", reason)

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._file is not None:
            self._file.close()


def take_database(url: str, data_lock: Path) -> InstanceLock:
    """Lock the database at ``url``; ``data_lock`` is the lock file of the data directory, which is locked already.

    Raises DataInUse, DatabaseUnusable.
    """
    with startup_failures():
        parsed = parse_database_url(url)
        if parsed.get_backend_name() == "postgresql":
            return PostgresLock(parsed)
        file = sqlite_file(parsed)
    if file is None:
        return InstanceLock()
    lock = file.with_name("meadow.lock" if file.name == "meadow.db" else f"{file.name}.lock")
    if lock == data_lock.resolve():
        return SqliteLock(file)
    try:
        return SqliteLock(file, LockFile(lock, f"database {file}", "database-url"))
    except OSError as error:
        raise DatabaseUnusable(
            f"The database cannot be used: {lock} cannot be made or locked: {error.strerror}."
        ) from error


def sqlite_file(url: URL) -> Path | None:
    """Ask SQLite which file a URL means; None is a database in memory. Nothing is read or written."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        file = connection.exec_driver_sql("PRAGMA database_list").one()[2]
    return Path(file).resolve() if file else None


class SqliteLock(InstanceLock):
    """A lock file, and the identity of the file that it is for.

    A person can move a data directory away under a running dashboard, or put a backup in its place. Connections that
    are open would go on with the old file, new ones would begin with the other.
    """

    def __init__(self, database: Path, file: LockFile | None = None) -> None:
        super().__init__(file)
        self._database = database
        self._opened: tuple[int, int] | None = None

    def watch(self, engine: Engine) -> None:
        """Remember the file that the first connection opens, and let no connection or transaction begin on another."""
        event.listen(engine, "do_connect", lambda *_: self._require())
        event.listen(engine, "connect", lambda *_: self._note_opened())
        event.listen(engine, "begin", lambda _: self._require(), insert=True)

    def is_lost(self) -> bool:
        """Return whether there is another file now; one that is missing may come back."""
        if self.lost is None and self._opened is not None and self._identity() not in (None, self._opened):
            self.lose(f"{REPLACED}: what was stored since is in the file that was there before")
        return self.lost is not None

    def _note_opened(self) -> None:
        self._opened = self._opened or self._identity()

    def _require(self) -> None:
        if self.is_lost():
            raise DatabaseUnavailable(REPLACED)
        if self._opened is not None and self._identity() is None:
            raise DatabaseUnavailable(UNREADABLE, f"{self._database} is missing")

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._database)
        except OSError:
            return None
        return status.st_dev, status.st_ino


class PostgresLock(InstanceLock):
    """An advisory lock on the one connection that writes, so a commit succeeds only while the lock is held.

    PostgreSQL keeps the lock exactly as long as that connection. When it breaks, the pool replaces it, and the new one
    takes the lock before it is used. If another dashboard has the lock by then, ``lost`` is set and nothing more can be
    written. A thread uses the connection every three seconds, so that an idle dashboard takes the lock again soon after
    PostgreSQL was restarted.
    """

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._owner = self._name = f"process {os.getpid()} on {socket.gethostname()[:20]}"
        self._backend: int | None = None
        self.writer = self._engine = create_engine(
            url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=connect_options(url)
        )
        event.listen(self._engine, "connect", self._prepare)
        self._use_connection()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="database-lock", daemon=True)
        self._thread.start()

    def show_address(self, address: dict[str, Any]) -> None:
        """Tell other dashboards where this one serves; if PostgreSQL does not answer, the next connection tells it."""
        self._name = f"{self._owner}, at {url_in(address)}"
        with contextlib.suppress(SQLAlchemyError, DatabaseUnavailable):
            self._use_connection()

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        self._closing.set()
        self._thread.join(2.0)
        self._engine.dispose()

    def _keep(self) -> None:
        while self.lost is None and not self._closing.wait(PING_SECONDS):
            with contextlib.suppress(SQLAlchemyError, DatabaseUnavailable):  # PostgreSQL is away
                self._use_connection()

    def _use_connection(self) -> None:
        with self._engine.begin() as connection:
            advisory_lock.show_name(connection, self._name)

    def _prepare(self, connection: "psycopg.Connection[Any]", _record: object) -> None:
        """Take the lock on a new connection, or close it.

        Raises DataInUse or DatabaseUnusable at the start, DatabaseUnavailable later.
        """
        try:
            _require_utf8(connection.info.parameter_status("server_encoding"))
            holder = advisory_lock.take(connection, self._name)
            if not holder.is_this or self.lost is not None:
                self._refuse(connection, holder)
        except BaseException:
            connection.close()
            raise
        if self._backend is not None:
            log.warning("the database lock was lost and taken again")
        self._backend = holder.pid

    def _refuse(self, connection: "psycopg.Connection[Any]", holder: advisory_lock.Holder) -> NoReturn:
        if holder.pid == self._backend and holder.name.startswith(self._owner):
            advisory_lock.end_backend(connection, holder.pid)
            raise DatabaseUnavailable(AWAY, "the server has not ended the broken connection yet")
        error = DataInUse("database", holder.name or "another dashboard", "database-url")
        if self._backend is None:
            raise error
        self.lose(f"{TAKEN_OVER}: {error}")
        raise DatabaseUnavailable(TAKEN_OVER)


def _require_utf8(encoding: str | None) -> None:
    """Raise DatabaseUnusable for a database that could not store every name."""
    if encoding != "UTF8":
        raise DatabaseUnusable(
            f"The database cannot be used: its encoding is {encoding}, which does not hold every text. Create one with "
            "createdb -E UTF8 -T template0, and name it in --database-url."
        )
