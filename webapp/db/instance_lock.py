"""One dashboard a database: a lock of PostgreSQL on a connection of its own, or a lock file beside SQLite's file."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from webapp.db.address import DatabaseUnfit, fit_or_told, reach, read_address
from webapp.db.failures import DatabaseUnavailable
from webapp.db.repository import tenure as table
from webapp.lock_file import DataInUse, hold, spell

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0


class Tenure:
    """Nothing to lock: a database in memory, or one whose lock file is that of the data directory.

    ``lost`` says who took the database over; nothing is written any more then.
    """

    lost: str | None = None

    def say(self, where: dict[str, Any]) -> None:
        """Tell others where we are."""

    def check(self, connection: Connection) -> None:
        """Raise DatabaseUnavailable where another dashboard has the database by now."""

    def when_lost(self, end: Callable[[], None]) -> None:
        """Call ``end``, from another thread, when the database is lost to another dashboard."""

    def close(self) -> None:
        """Let another dashboard have it."""


def take_database(url: str, data_lock: Path) -> Tenure:
    """Take the database before anything is changed in it; raises DataInUse, DatabaseUnfit."""
    with fit_or_told():
        address = read_address(url)
        if address.get_backend_name() == "postgresql":
            return PostgresTenure(address)
        file = _file_of(address)
        lock = file and _lock_of(file)
        if lock is None or lock == data_lock.resolve():
            return Tenure()
        try:
            return FileTenure(lock, f"database {file}")
        except OSError as error:
            raise DatabaseUnfit(f"The database cannot be used: {lock} cannot be made: {error.strerror}.") from error


def _file_of(address: URL) -> Path | None:
    """Ask SQLite which file an address means; it is opened, and nothing is read or written."""
    engine = create_engine(address, poolclass=NullPool)
    with engine.connect() as connection:
        file = connection.exec_driver_sql("PRAGMA database_list").one()[2]
    return Path(file).resolve() if file else None


def _lock_of(file: Path) -> Path:
    """Return the lock file of a database; of the one in a data directory it is the directory's own."""
    return file.with_name("meadow.lock" if file.name == "meadow.db" else f"{file.name}.lock")


class FileTenure(Tenure):
    """A lock file, held as long as the process lives or until ``close``."""

    def __init__(self, lock: Path, what: str) -> None:
        self._stack = contextlib.ExitStack()
        self._say = self._stack.enter_context(hold(lock, what, "database-url"))

    def say(self, where: dict[str, Any]) -> None:
        """Tell others where we are."""
        self._say(where)

    def close(self) -> None:
        """Let another dashboard have it."""
        self._stack.close()


class PostgresTenure(Tenure):
    """An advisory lock, looked after by a thread: when the server was away it is taken again as soon as it is back.

    Every transaction that writes asks the server whether the lock is still ours. So nothing is written between the loss
    of the lock and the moment it is ours again, and nothing at all when another dashboard was faster.
    """

    def __init__(self, address: URL) -> None:
        self._engine = create_engine(
            address, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=reach(address)
        )
        self._guard, self._ended = threading.Lock(), threading.Event()
        self._who = f"process {os.getpid()} on {socket.gethostname()[:20]}"
        self._connection: Connection | None = None
        self._pid = 0
        self._end: Callable[[], None] | None = None
        self._take()
        self._thread = threading.Thread(target=self._look_after, name="database-lock", daemon=True)
        self._thread.start()

    def say(self, where: dict[str, Any]) -> None:
        """Tell others where we are; where the server is away they hear it when it is back."""
        with self._guard:
            self._who += f", at http://{spell(where['host'], where['port'])}"
            if self._connection is not None:
                with contextlib.suppress(DBAPIError):
                    table.name(self._connection, self._who)

    def check(self, connection: Connection) -> None:
        """Raise DatabaseUnavailable where another dashboard has the database by now."""
        with self._guard:
            if self.lost is None and not table.is_held_by(connection, self._pid):
                self._take_again()
            if self.lost is not None:
                raise DatabaseUnavailable(self.lost)

    def when_lost(self, end: Callable[[], None]) -> None:
        """Call ``end``, from another thread, when the database is lost to another dashboard."""
        with self._guard:
            self._end = end
        if self.lost is not None:
            end()

    def close(self) -> None:
        """Let another dashboard have it."""
        self._ended.set()
        self._thread.join(2.0)
        with self._guard:
            self._drop()

    def _take(self) -> None:
        """Take the lock on a new connection; raises DataInUse with a sentence, and what SQLAlchemy raises."""
        connection = self._engine.connect()
        try:
            pid = table.take(connection)
            if pid is None and not self._end_own(connection):
                raise DataInUse(_refusal(connection))
            table.name(connection, self._who)
        except BaseException:
            connection.close()
            raise
        self._drop()
        self._connection, self._pid = connection, pid or 0

    def _end_own(self, connection: Connection) -> bool:
        """End the session that has the lock where it is ours, its line was cut and the server has not noticed.

        The lock is taken at the next look, or with the next write.
        """
        pid, who = table.holder(connection) or (0, None)
        if pid != self._pid or who != self._who[:63]:
            return False
        table.end(connection, pid)
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_again(self) -> None:
        try:
            self._take()
            log.warning("the lock of the database was lost, and is taken again")
        except DataInUse as error:
            self.lost = f"Another dashboard took the database over: {error}"
            log.error("%s", self.lost)
            if self._end is not None:
                self._end()

    def _look_after(self) -> None:
        """Take the lock again as soon as the server is back: whoever starts a second dashboard is to be refused."""
        away = False
        while self.lost is None and not self._ended.wait(LOOK_SECONDS):
            with self._guard:
                try:
                    if self._connection is None or not table.is_held_by(self._connection, self._pid):
                        self._take_again()
                    away = False
                except DBAPIError as error:
                    self._drop()
                    if not away:
                        log.warning("the lock of the database cannot be looked after: %s", error.orig)
                    away = True


def _refusal(connection: Connection) -> str:
    who = (table.holder(connection) or (0, None))[1] or ""
    who = who if who.startswith("process ") and who.isprintable() else "another dashboard"
    who += "," if ", at " in who else ""
    return f"The database is in use: {who} works on it. Stop that one, or choose another --database-url."
