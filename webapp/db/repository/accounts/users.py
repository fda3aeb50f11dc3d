"""users: find, list, count, renew a hash, delete."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from webapp.db.tables import ApiToken, LoginSession, OpenIdIdentity, User


def lock_users(session: Session) -> None:
    """Have other writers of accounts wait for the end of this transaction, so that what it reads stays true.

    SQLite lets one transaction write at a time.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def find_user(session: Session, name: str) -> User | None:
    """Return the person with that name."""
    return session.scalar(select(User).where(User.name == name))


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
