"""sessions: find with their person in one query, list, delete."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from webapp.db.tables import LoginSession, User


def find_session(session: Session, id_hash: str) -> tuple[LoginSession, User] | None:
    """Return a session and its person; None where there is no such session, or the person is disabled."""
    query = select(LoginSession, User).join(User).where(LoginSession.id_hash == id_hash, User.disabled_at.is_(None))
    return session.execute(query).one_or_none()


def touch_session(session: Session, id_hash: str, now: datetime) -> None:
    """Write that a session is in use."""
    session.execute(update(LoginSession).where(LoginSession.id_hash == id_hash).values(last_seen_at=now))


def sessions_of(session: Session, user_id: int) -> Sequence[LoginSession]:
    """Return the sessions of a person, last used first."""
    query = select(LoginSession).where(LoginSession.user_id == user_id)
    return session.scalars(query.order_by(LoginSession.last_seen_at.desc())).all()


def delete_session(session: Session, id_hash: str) -> None:
    """End one session."""
    session.execute(delete(LoginSession).where(LoginSession.id_hash == id_hash))


def delete_sessions_of(session: Session, user_id: int) -> None:
    """End all sessions of a person."""
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


def delete_all_sessions(session: Session) -> None:
    """End the sessions of everyone."""
    session.execute(delete(LoginSession))


def delete_expired(session: Session, now: datetime, seen_before: datetime) -> None:
    """Remove sessions that are over, and those last used before ``seen_before``."""
    over = or_(LoginSession.expires_at <= now, LoginSession.last_seen_at <= seen_before)
    session.execute(delete(LoginSession).where(over))
