"""``python -m webapp db``: upgrade, check, backup and restore of the database and the files that belong to it.

Exit codes: 0 done, 1 the database or the backup cannot be used, or the check found faults, 2 bad arguments, 3 a
dashboard uses the data directory or the database.
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from webapp.commands import say
from webapp.commands.existing import EPILOG, existing_database, record_command, run_command, sqlite_database
from webapp.db.backup import BackupUnusable, restore_backup, write_backup
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable, startup_failures
from webapp.db.instance_lock import take_database
from webapp.db.migrations import migrate_database, newest_revision
from webapp.db.repository.accounts.sessions import delete_all_sessions
from webapp.db.repository.storage import faults_of, last_checkpoints, storage_of
from webapp.formatting import size
from webapp.lock_file import LockFile
from webapp.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    return run_command(_parser(), arguments, _run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m webapp db", description="Maintain the database and the files that belong to it.", epilog=EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("upgrade", help="migrate the tables of a stopped dashboard to this version")
    commands.add_parser("check", help="look for damage in the database and for missing checkpoints")
    backup = commands.add_parser("backup", help="write database and files into a tar archive; a dashboard may run")
    backup.add_argument("file", type=Path, metavar="FILE")
    restore = commands.add_parser("restore", help="lay a backup out in an empty data directory")
    restore.add_argument("file", type=Path, metavar="FILE")
    return parser


def _run(settings: Settings, given: argparse.Namespace) -> int:
    match given.command:
        case "upgrade":
            return _upgrade(settings)
        case "check":
            return _check(settings)
        case "backup":
            return _backup(settings, given.file)
        case _:
            return _restore(settings, given.file)


def _upgrade(settings: Settings) -> int:
    with locked(settings, database=True):
        migrate_database(settings.sqlalchemy_url)
        record_command(settings, "db upgrade", f"revision {newest_revision()}")
    return say(0, f"The tables are at revision {newest_revision()}.")


def _check(settings: Settings) -> int:
    sqlite_database(settings)
    with startup_failures(), closing(Database(settings.sqlalchemy_url)) as database:
        with database.read() as session:
            storage, faults = storage_of(session), faults_of(session)
        count, damaged = 0, list[str]()
        if storage.migration == newest_revision():
            count, damaged = _check_checkpoints(database, settings)
        else:
            faults.append(f"its tables are at revision {storage.migration}: start the dashboard, or run db upgrade")
    for fault in (*faults, *damaged):
        say(1, fault)
    faulty = len(faults) + len(damaged)
    found = f"{storage.kind} {storage.version}, {count} checkpoints: {faulty or 'no'} faults."
    return say(1 if faulty else 0, found)


def _check_checkpoints(database: Database, settings: Settings) -> tuple[int, list[str]]:
    """Return how many runs have a checkpoint, and what is wrong with the last one of each.

    A dashboard may complete rounds meanwhile, and delete the checkpoint that was named before them: a fault counts if
    the database still names that checkpoint afterwards.
    """
    named, faults = _named_checkpoints(database), []
    for run_id, first in named.items():
        checkpoint: dict[str, Any] | None = first
        while checkpoint is not None and (fault := _fault_of(settings, run_id, checkpoint)):
            now = _named_checkpoints(database).get(run_id)
            if now == checkpoint:
                faults.append(fault)
                break
            checkpoint = now
    return len(named), faults


def _named_checkpoints(database: Database) -> dict[int, dict[str, Any]]:
    with database.read() as session:
        return dict(last_checkpoints(session))


def _fault_of(settings: Settings, run_id: int, checkpoint: dict[str, Any]) -> str | None:
    path = settings.runs_dir / str(run_id) / Path(str(checkpoint["file"])).name
    try:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"run {run_id}: {path} cannot be read: {error.strerror}"
    return None if digest == checkpoint["sha256"] else f"run {run_id}: {path} is damaged: its sha256 differs"


def _backup(settings: Settings, file: Path) -> int:
    database = sqlite_database(settings)
    if database is None:
        raise BackupUnusable(
            "The database is PostgreSQL: stop the dashboard, save the database with pg_dump, and copy the folder "
            f"{settings.data_dir}."
        )
    manifest = write_backup(settings.data_dir, database, file)
    total = sum(one.size for one in manifest.files.values())
    return say(0, f"{file}: the database and {len(manifest.files) - 1} files, {size(total)}.")


def _restore(settings: Settings, file: Path) -> int:
    if settings.database_url is not None:
        raise BackupUnusable("A backup is restored into a data directory: remove --database-url.")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(settings, database=False):
        manifest = restore_backup(file, settings.data_dir)
        with suppress(DatabaseUnusable), existing_database(settings) as database, database.write() as session:
            delete_all_sessions(session)  # those that were ended after the backup would be back
        record_command(settings, "db restore", file.name)
    made = manifest.made_at.isoformat(" ", "seconds")
    return say(0, f"{settings.data_dir} holds the backup of {made}, written by Meadow {manifest.meadow}.")


@contextmanager
def locked(settings: Settings, *, database: bool) -> Iterator[None]:
    """Keep dashboards out of the data directory, and out of its database; raises DataInUse."""
    with ExitStack() as stack:
        what = f"data directory {settings.data_dir}"
        stack.enter_context(closing(LockFile(settings.lock_file, what, "data-dir")))
        if database:
            stack.enter_context(closing(take_database(settings.sqlalchemy_url, settings.lock_file)))
        yield
