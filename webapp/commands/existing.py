"""What several commands need: the database that is there already, the entry of the audit log, the last sentence."""

import contextlib
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webapp.db.backup import BackupUnusable
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable, parse_database_url, startup_failures
from webapp.db.instance_lock import sqlite_file
from webapp.db.migrations import newest_revision
from webapp.db.repository.storage import storage_of
from webapp.operations.audit.attempts import Actor, Attempt
from webapp.operations.audit.log import record_once
from webapp.settings import Settings


def say(code: int, sentence: str) -> int:
    """Write the sentence to standard output, to standard error with another code than 0; return the code."""
    (sys.stderr if code else sys.stdout).write(f"{sentence}\n")
    return code


def sqlite_database(settings: Settings) -> Path | None:
    """Return the file of the database, None for PostgreSQL; raises BackupUnusable where it does not exist."""
    with startup_failures():
        url = parse_database_url(settings.sqlalchemy_url)
        if url.get_backend_name() == "postgresql":
            return None
        if not Path(url.database or "").parent.is_dir() or (file := sqlite_file(url)) is None or not file.is_file():
            raise BackupUnusable(f"There is no database {url.database}: see --data-dir and --database-url.")
    return file


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """Give the database, which a dashboard may use meanwhile; raises DatabaseUnusable where its tables are older."""
    sqlite_database(settings)
    with startup_failures():
        database = Database(settings.sqlalchemy_url)
        try:
            with database.read() as session:
                revision = storage_of(session).migration
            if revision != newest_revision():
                raise DatabaseUnusable(
                    f"The tables are at revision {revision}: start the dashboard, or run python -m webapp db upgrade."
                )
            yield database
        finally:
            database.close()


def record_command(settings: Settings, action: str, target: str = "") -> None:
    """Add the entry of a command to the audit log; a database with older tables, which a backup may hold, has none."""
    with contextlib.suppress(DatabaseUnusable), existing_database(settings) as database:
        record_once(database, Attempt(command_actor(), action, target=target))


def command_actor() -> Actor:
    """Return who runs the command: the name of the account of this machine."""
    try:
        return Actor("command", getpass.getuser())
    except (KeyError, OSError):  # a user id without an account
        return Actor("command", "command line")
