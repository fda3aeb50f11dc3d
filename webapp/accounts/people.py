"""People: add, list, give a role or a password, disable, enable, remove. One enabled admin always remains."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from webapp.accounts.changes import AccountChanges
from webapp.accounts.passwords import Passwords, check_password
from webapp.accounts.roles import Role
from webapp.accounts.views import PersonView, person_view
from webapp.db.database import Database
from webapp.db.repository.accounts import sessions, users
from webapp.db.repository.clients import revoke_join_codes_of
from webapp.db.repository.rows import count_rows, get_row, insert_row
from webapp.db.tables import User
from webapp.problems import Conflict, Invalid, NotFound

NAME = r"^[a-z0-9][a-z0-9._@+-]{0,63}$"
RESERVED = frozenset({"local"})
NAME_RULE = "A name has up to 64 letters, digits and . _ @ + -, and begins with a letter or digit"


def clean_name(text: str) -> str:
    """Return a name in lower case; raises Invalid."""
    name = text.strip().lower()
    if not re.fullmatch(NAME, name):
        raise Invalid("name", NAME_RULE)
    if name in RESERVED:
        raise Invalid("name", f"{name} is no name of a person: it stands for the dashboard without accounts")
    return name


class People:
    """The accounts. Methods raise Invalid, Conflict and NotFound; any thread may call them."""

    def __init__(self, database: Database, passwords: Passwords, changes: AccountChanges) -> None:
        self._database, self._passwords, self._changes = database, passwords, changes

    def has_any(self) -> bool:
        """Return whether there is an account."""
        return self.count() > 0

    def count(self) -> int:
        """Return how many accounts there are."""
        with self._database.read() as session:
            return count_rows(session, User)

    def list(self) -> list[PersonView]:
        """Return everyone, by name."""
        with self._database.read() as session:
            return [person_view(user) for user in users.list_users(session)]

    def show(self, user_id: int) -> PersonView:
        """Return one person."""
        with self._database.read() as session:
            return person_view(get_row(session, User, user_id, "account"))

    def find(self, name: str) -> PersonView:
        """Return the person with a name."""
        with self._database.read() as session:
            user = users.find_user(session, name.strip().lower())
        if user is None:
            raise NotFound(f"There is no account {name[:64]}.")
        return person_view(user)

    def add(self, name: str, password: str | None, role: Role, *, only_first: bool = False) -> PersonView:
        """Add a person; without a password the person signs in by other means.

        With ``only_first`` it is refused where there is an account already.
        """
        name = clean_name(name)
        if password is not None:
            check_password(password, name)
        hashed = self._passwords.hash(password) if password is not None else None
        with self._database.write() as session:
            users.lock_users(session)
            is_first = not count_rows(session, User)
            if only_first and not is_first:
                raise Conflict("There is an account already: sign in.")
            if is_first and role is not Role.ADMIN:
                raise Conflict("The first account must be an admin.")
            if users.find_user(session, name) is not None:
                raise Conflict(f"There is an account {name} already.")
            user = User(name=name, role=role, password_hash=hashed, created_at=datetime.now(UTC))
            view = person_view(insert_row(session, user))
        self._changes.note()
        return view

    def set_role(self, user_id: int, role: Role) -> PersonView:
        """Give a person another role; it counts from the next request on."""
        with self._changing(user_id, admin=role) as (_, user):
            user.role = role
        return person_view(user)

    def set_password(self, user_id: int, password: str) -> PersonView:
        """Give a person a password, and end all sessions of the person."""
        check_password(password, self.show(user_id).name)
        hashed = self._passwords.hash(password)
        with self._changing(user_id) as (session, user):
            user.password_hash = hashed
            sessions.delete_sessions_of(session, user_id)
        return person_view(user)

    def disable(self, user_id: int) -> PersonView:
        """Let a person in no more: sessions end, and tokens do not work until the account is enabled again."""
        with self._changing(user_id, admin=None) as (session, user):
            user.disabled_at = user.disabled_at or datetime.now(UTC)
            sessions.delete_sessions_of(session, user_id)
        return person_view(user)

    def enable(self, user_id: int) -> PersonView:
        """Let a disabled person in again."""
        with self._changing(user_id) as (_, user):
            user.disabled_at = None
        return person_view(user)

    def remove(self, user_id: int) -> None:
        """Remove a person with all sessions and tokens."""
        with self._database.write() as session:
            users.lock_users(session)
            user = get_row(session, User, user_id, "account")
            _keep_an_admin(session, user)
            revoke_join_codes_of(session, user.name, datetime.now(UTC))
            users.delete_user(session, user_id)
        self._changes.note()

    @contextmanager
    def _changing(self, user_id: int, admin: Role | None = Role.ADMIN) -> Iterator[tuple[Session, User]]:
        """Give a person to change; ``admin`` is the role after the change, None where the person is let in no more."""
        with self._database.write() as session:
            users.lock_users(session)
            user = get_row(session, User, user_id, "account")
            if admin is not Role.ADMIN:
                _keep_an_admin(session, user)
            yield session, user
            end_codes(session, user)
        self._changes.note()


def end_codes(session: Session, user: User) -> None:
    """Revoke the join codes of a person who may make none any more: whoever has one could still join."""
    if user.disabled_at is not None or not Role(user.role).includes(Role.OPERATOR):
        revoke_join_codes_of(session, user.name, datetime.now(UTC))


def _keep_an_admin(session: Session, user: User) -> None:
    """Raise Conflict where a person is the only admin who may sign in."""
    is_admin = user.role == Role.ADMIN and user.disabled_at is None
    if is_admin and not users.count_others(session, user.id, Role.ADMIN):
        raise Conflict(f"{user.name} is the only admin: give another person the role first.")
