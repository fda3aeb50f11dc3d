"""What the API and pages say of people, sessions and tokens: never a hash."""

from datetime import datetime

from pydantic import BaseModel, Field

from webapp.accounts.roles import Role
from webapp.db.tables import ApiToken, LoginSession, User


class PersonView(BaseModel):
    """One person."""

    id: int
    name: str = Field(examples=["ada"])
    role: Role
    disabled: bool
    has_password: bool = Field(description="False: the person signs in by other means.")
    created_at: datetime
    last_login_at: datetime | None


class TokenView(BaseModel):
    """An API token, without its text."""

    id: int
    name: str = Field(examples=["nightly runs"])
    role: Role
    created_at: datetime
    expires_at: datetime


class SessionView(BaseModel):
    """One browser in which the person is signed in."""

    current: bool = Field(description="Whether the request came with this session.")
    created_at: datetime
    last_seen_at: datetime
    address: str
    agent: str


def person_view(user: User) -> PersonView:
    """Return what is said of a person."""
    return PersonView(
        id=user.id, name=user.name, role=Role(user.role), disabled=user.disabled_at is not None,
        has_password=user.password_hash is not None, created_at=user.created_at, last_login_at=user.last_login_at,
    )  # fmt: skip


def token_view(token: ApiToken) -> TokenView:
    """Return what is said of a token."""
    return TokenView(
        id=token.id, name=token.name, role=Role(token.role), created_at=token.created_at, expires_at=token.expires_at
    )


def session_view(row: LoginSession, current: str) -> SessionView:
    """Return what is said of a session; ``current`` is the hash of the request's own."""
    return SessionView(
        current=row.id_hash == current, created_at=row.created_at, last_seen_at=row.last_seen_at,
        address=row.address, agent=row.agent,
    )  # fmt: skip
