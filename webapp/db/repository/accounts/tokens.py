"""api_tokens: find with their person in one query, list, delete."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.db.tables import ApiToken, User


def find_token(session: Session, token_hash: str) -> tuple[ApiToken, User] | None:
    """Return a token and its person; None where there is no such token, or the person is disabled."""
    query = select(ApiToken, User).join(User).where(ApiToken.token_hash == token_hash, User.disabled_at.is_(None))
    return session.execute(query).one_or_none()


def tokens_of(session: Session, user_id: int) -> Sequence[ApiToken]:
    """Return the tokens of a person, newest first."""
    return session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc())).all()


def delete_token(session: Session, token_id: int, user_id: int) -> bool:
    """Revoke a token of a person; False where the person has no such token."""
    query = delete(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id)
    return session.execute(query.returning(ApiToken.id)).first() is not None
