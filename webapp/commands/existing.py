"""What several commands need: their exit code, the database that is there already, the entry of the audit log."""

import argparse
import getpass
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from webapp.commands import say
from webapp.db.backup import BackupUnusable
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable, parse_database_url, startup_failures
from webapp.db.failures import DatabaseUnavailable
from webapp.db.instance_lock import sqlite_file
from webapp.db.migrations import newest_revision
from webapp.db.repository.storage import storage_of
from webapp.lock_file import DataInUse
from webapp.operations.audit.attempts import Actor, Attempt
from webapp.operations.audit.log import record_once
from webapp.problems import Problem
from webapp.settings import Settings, read_settings

EPILOG = "Other settings, such as --data-dir and --database-url, are those of python -m webapp."


def run_command(
    parser: argparse.ArgumentParser, arguments: Sequence[str], command: Callable[[Settings, argparse.Namespace], int]
) -> int:
    """Run a command with the arguments that its parser knows, and the settings in the others; return the exit code.

    That is 1 where the command raises, 2 for settings that are wrong, 3 where a dashboard uses the data.
    """
    given, rest = parser.parse_known_args(arguments)
    try:
        settings = read_settings(rest)
    except ValueError as error:
        return say(2, str(error))
    try:
        return command(settings, given)
    except DataInUse as error:
        return say(3, str(error))
    except (BackupUnusable, DatabaseUnusable, DatabaseUnavailable, Problem) as error:
        return say(1, str(error))
    except (OSError, sqlite3.Error) as error:
        return say(1, f"{given.command} failed: {error}.")


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
    with startup_failures(), closing(Database(settings.sqlalchemy_url)) as database:
        with database.read() as session:
            revision = storage_of(session).migration
        if revision != newest_revision():
            raise DatabaseUnusable(
                f"The tables are at revision {revision}: start the dashboard, or run python -m webapp db upgrade."
            )
        yield database


def record_command(settings: Settings, action: str, target: str = "") -> None:
    """Add the entry of a command to the audit log; a database with older tables, which a backup may hold, has none."""
    with suppress(DatabaseUnusable), existing_database(settings) as database:
        record_once(database, Attempt(command_actor(), action, target=target))


def command_actor() -> Actor:
    """Return who runs the command: the name of the account of this machine."""
    try:
        return Actor("command", getpass.getuser())
    except (KeyError, OSError):  # a user id without an account
        return Actor("command", "command line")
