"""openid_identities: whose account belongs to a person of an OpenID provider."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.repository.accounts import users
from webapp.db.tables import OpenIdIdentity, User

MAX_NAME = 64


def find_user(session: Session, issuer: str, subject: str) -> User | None:
    """Return the person whom a provider calls by that subject."""
    query = select(User).join(OpenIdIdentity, OpenIdIdentity.user_id == User.id)
    return session.scalar(query.where(OpenIdIdentity.issuer == issuer, OpenIdIdentity.subject == subject))


def free_name(session: Session, name: str) -> str:
    """Return the name, with a number where another account has it: a name alone proves nothing."""
    number, free = 1, name
    while users.find_user(session, free) is not None:
        number += 1
        free = f"{name[: MAX_NAME - len(str(number)) - 1]}-{number}"
    return free
