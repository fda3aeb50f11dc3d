"""users: find, also by what an OpenID provider calls them; list, renew a hash, count, delete."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from webapp.db.tables import ApiToken, LoginSession, OpenIdIdentity, User

MAX_NAME = 64


def lock_users(session: Session) -> None:
    """Have other writers of accounts wait for the end of this transaction, so that what it reads stays true.

    SQLite lets one transaction write at a time.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def find_user(session: Session, name: str) -> User | None:
    """Return the person with that name."""
    return session.scalar(select(User).where(User.name == name))


def find_user_of_provider(session: Session, issuer: str, subject: str) -> User | None:
    """Return the person whom a provider calls by that subject."""
    query = select(User).join(OpenIdIdentity, OpenIdIdentity.user_id == User.id)
    return session.scalar(query.where(OpenIdIdentity.issuer == issuer, OpenIdIdentity.subject == subject))


def free_name(session: Session, name: str) -> str:
    """Return the name, with a number where another account has it: a name alone proves nothing."""
    number, free = 1, name
    while find_user(session, free) is not None:
        number += 1
        free = f"{name[: MAX_NAME - len(str(number)) - 1]}-{number}"
    return free


def list_users(session: Session) -> Sequence[User]:
    """Return every person, by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def replace_hash(session: Session, user_id: int, old: str, new: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    session.execute(update(User).where(User.id == user_id, User.password_hash == old).values(password_hash=new))


def count_others(session: Session, user_id: int, role: str) -> int:
    """Return how many people other than one have a role and are not disabled."""
    query = select(func.count()).where(User.id != user_id, User.role == role, User.disabled_at.is_(None))
    return session.scalar(query) or 0


def delete_user(session: Session, user_id: int) -> None:
    """Remove a person with all sessions and tokens."""
    for table in (LoginSession, ApiToken, OpenIdIdentity):
        session.execute(delete(table).where(table.user_id == user_id))
    session.execute(delete(User).where(User.id == user_id))
