"""``python -m webapp users``: add, list, change and remove accounts, also while a dashboard runs.

A password is asked for, or is the first line of standard input; it is never an argument. Exit codes: 0 done, 1 the
database or the account cannot be used, 2 bad arguments.
"""

import argparse
import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from webapp.accounts.accounts import Accounts
from webapp.accounts.roles import Role
from webapp.commands import say
from webapp.commands.database import locked
from webapp.commands.existing import EPILOG, record_command, run_command
from webapp.db.database import Database
from webapp.db.database_url import startup_failures
from webapp.db.migrations import migrate_database
from webapp.lock_file import DataInUse
from webapp.problems import Problem
from webapp.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    return run_command(_parser(), arguments, _run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m webapp users", description="Manage the accounts of the dashboard.", epilog=EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="show all accounts")
    for command, words in (
        ("add", "create an account; asks for its password"), ("role", "give an account another role"),
        ("password", "give an account another password; its sessions end"),
        ("disable", "end all sessions of an account and refuse its tokens"), ("enable", "undo disable"),
        ("remove", "remove an account with its tokens"),
    ):  # fmt: skip
        one = commands.add_parser(command, help=words)
        one.add_argument("name", metavar="NAME")
        if command == "add":
            one.add_argument("--role", choices=list(Role), default=Role.VIEWER)
        if command == "role":
            one.add_argument("role", choices=list(Role), metavar="ROLE", help=", ".join(Role))
    return parser


def _run(settings: Settings, given: argparse.Namespace) -> int:
    with _open_accounts(settings) as accounts:
        sentence = _changed(accounts, given)
        if given.command != "list":
            accounts.changes.announce()
    if given.command != "list":
        record_command(settings, f"users {given.command}", given.name)
    return say(0, sentence)


def _changed(accounts: Accounts, given: argparse.Namespace) -> str:
    people = accounts.people
    if given.command == "list":
        return (
            "\n".join(f"{one.name}  {one.role}{'  disabled' if one.disabled else ''}" for one in people.list())
            or "There are no accounts."
        )
    if given.command == "add":
        person = people.add(given.name, _read_password(), Role(given.role))
        return f"The account {person.name} was created with the role {person.role}."
    person = people.find(given.name)
    match given.command:
        case "role":
            people.set_role(person.id, Role(given.role))
            return f"{person.name} has the role {given.role} now."
        case "password":
            people.set_password(person.id, _read_password())
            return f"The password of {person.name} was changed."
        case "disable":
            people.disable(person.id)
            return f"{person.name} was disabled."
        case "enable":
            people.enable(person.id)
            return f"{person.name} was enabled."
        case _:
            people.remove(person.id)
            return f"The account {person.name} was removed."


def _read_password() -> str:
    """Return the password that a person types twice, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != password:
        raise Problem("The two passwords differ.")
    return password


@contextmanager
def _open_accounts(settings: Settings) -> Iterator[Accounts]:
    """Give the accounts of a database. A dashboard may use it at the same time; else it is migrated first."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with locked(settings, database=True):
            migrate_database(settings.sqlalchemy_url)
    except DataInUse:
        pass  # by a dashboard, which has migrated it
    with startup_failures(), closing(Database(settings.sqlalchemy_url)) as database:
        yield Accounts(database, settings.data_dir, is_loopback=False)
