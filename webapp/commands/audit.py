"""``python -m webapp audit``: verify the audit log, and export it as JSON lines. A dashboard may run meanwhile.

Exit codes: 0 done, 1 the log has a fault, or the database or the file cannot be used, 2 bad arguments.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from webapp.commands import say
from webapp.commands.existing import EPILOG, existing_database, run_command
from webapp.db.audit_chain import plain, verify
from webapp.db.database import Database
from webapp.db.repository.audit.entries import all_entries
from webapp.formatting import plural
from webapp.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    return run_command(_parser(), arguments, _run)


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


def _run(settings: Settings, given: argparse.Namespace) -> int:
    with existing_database(settings) as database:
        return _verify(database, given.head.lower()) if given.command == "verify" else _export(database, given.file)


def _verify(database: Database, head: str) -> int:
    with database.read() as session:
        found = verify(all_entries(session), head)
    if found.fault:
        return say(1, f"The audit log is not complete: {found.fault}.")
    return say(0, f"{plural(found.entries, 'entry', 'entries')}, each continues the one before. Head: {found.head}")


def _export(database: Database, file: Path) -> int:
    written = 0
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as stream, database.read() as session:
            for entry in all_entries(session):
                stream.write(json.dumps(plain(entry)) + "\n")
                written += 1
    except OSError as error:
        return say(1, f"{file} cannot be written: {error.strerror}.")
    return say(0, f"{file}: {plural(written, 'entry', 'entries')}.")
