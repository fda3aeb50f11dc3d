"""People who may use the dashboard, their sessions and their API tokens. Secrets are stored as hashes."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NO_ID_TWICE, NumberedRow, Row, UtcTime


class User(NumberedRow):
    """One person. Names are in lower case."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    """viewer, operator or admin."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    """By argon2; NULL where the person signs in by other means."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcTime)


class LoginSession(Row):
    """One browser in which a person is signed in. Only the hash of the id in its cookie is stored."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user", "user_id"),)

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    address: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))
    """The browser, as it names itself."""


class OpenIdIdentity(Row):
    """A person of an OpenID provider, whose account this is: a name proves nothing, issuer and subject do."""

    __tablename__ = "openid_identities"
    __table_args__ = (Index("ix_openid_identities_user", "user_id"),)

    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class ApiToken(NumberedRow):
    """A token with which a script acts for a person. Only its hash is stored."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_user", "user_id"), NO_ID_TWICE)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    """Not above the role of the person; where the person has a lower one by now, that one counts."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
