"""``python -m webapp audit``: verify the audit log, and export it as JSON lines. A dashboard may run meanwhile.

Exit codes: 0 done, 1 the log has a fault, or the database or the file cannot be used, 2 bad arguments.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from webapp.commands.existing import existing_database, say
from webapp.db.audit_chain import plain, verify
from webapp.db.backup import BackupUnusable
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable
from webapp.db.failures import DatabaseUnavailable
from webapp.db.repository.audit.entries import all_entries
from webapp.formatting import count
from webapp.settings import read_settings

EPILOG = "Other settings, such as --data-dir and --database-url, are those of python -m webapp."


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    given, rest = _parser().parse_known_args(arguments)
    try:
        settings = read_settings(rest)
    except ValueError as error:
        return say(2, str(error))
    try:
        with existing_database(settings) as database:
            if given.command == "verify":
                return _verify(database, given.head.lower())
            return _export(database, given.file)
    except (BackupUnusable, DatabaseUnusable, DatabaseUnavailable) as error:
        return say(1, str(error))
    except OSError as error:
        return say(1, f"{given.file} cannot be written: {error.strerror}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m webapp audit", description="Verify and export the audit log.", epilog=EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify_ = commands.add_parser("verify", help="look for entries that were changed, removed or inserted")
    verify_.add_argument(
        "--head", default="", metavar="HASH",
        help="hash of an entry, as the page or the log showed it: it must still be there",
    )  # fmt: skip
    export = commands.add_parser("export", help="write every entry to a new file, a line of JSON each")
    export.add_argument("file", type=Path, metavar="FILE")
    return parser


def _verify(database: Database, head: str) -> int:
    with database.read() as session:
        found = verify(all_entries(session), head)
    if found.fault:
        return say(1, f"The audit log is not complete: {found.fault}.")
    return say(0, f"{_entries(found.entries)}, each continues the one before. Head: {found.head}")


def _export(database: Database, file: Path) -> int:
    written = 0
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as stream, database.read() as session:
        for entry in all_entries(session):
            stream.write(json.dumps(plain(entry)) + "\n")
            written += 1
    return say(0, f"{file}: {_entries(written)}.")


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{count(number)} entries"
