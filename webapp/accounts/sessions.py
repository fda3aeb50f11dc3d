"""Sessions in browsers: sign in, sign out, and who a session belongs to."""

from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from webapp.accounts.changes import AccountChanges
from webapp.accounts.passwords import Passwords
from webapp.accounts.people import People
from webapp.accounts.principal import RANDOM_BYTES, Kind, Principal, digest
from webapp.accounts.roles import Role
from webapp.accounts.throttle import Throttle, keys_of
from webapp.accounts.views import SessionView, session_view
from webapp.db.database import Database
from webapp.db.repository.accounts import sessions, users
from webapp.db.repository.rows import insert_row
from webapp.db.tables import LoginSession, User
from webapp.problems import Invalid, Problem
from webapp.sanitizing import clean_text

IDLE, LONGEST = timedelta(hours=12), timedelta(days=7)
"""A session ends when nobody used it for so long, and in any case after the longer time."""
TOUCH_EVERY, CLOCK_SLACK = timedelta(minutes=1), timedelta(minutes=5)
MOST_SESSIONS = 20


class WrongPassword(Problem):
    """The name or the password is wrong; the sentence does not say which."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Name or password is wrong.")


class Sessions:
    """The sessions of all people. Any thread may call it."""

    def __init__(
        self, database: Database, passwords: Passwords, people: People, throttle: Throttle, changes: AccountChanges
    ) -> None:
        self._database, self._passwords, self._people = database, passwords, people
        self._throttle, self._changes = throttle, changes

    def sign_in(self, name: str, password: str, address: str, agent: str = "", previous: str = "") -> str:
        """Return the id of a new session; raises WrongPassword, TooManyAttempts.

        ``previous`` is the session id that the browser had before: that session ends.
        """
        name = name.strip().lower()[:64]
        attempt = self._throttle.begin(*keys_of(name, address))
        with self._database.read() as session:
            user = users.find_user(session, name)
        if not self._is_right(user, password) or user is None or user.disabled_at is not None:
            raise WrongPassword
        self._throttle.succeed(attempt)
        return self.open(user.id, address, agent, previous)

    def open(self, user_id: int, address: str, agent: str = "", previous: str = "") -> str:
        """Return the id of a new session of a person who has proved who it is; ``previous`` ends."""
        session_id, now = token_urlsafe(RANDOM_BYTES), datetime.now(UTC)
        row = LoginSession(
            id_hash=digest(session_id), user_id=user_id, created_at=now, last_seen_at=now, expires_at=now + LONGEST,
            address=clean_text(address, 64), agent=clean_text(agent, 200),
        )  # fmt: skip
        with self._database.write() as session:
            user = session.get(User, user_id)
            if user is None or user.disabled_at is not None:
                raise WrongPassword
            sessions.delete_expired(session, now, now - IDLE)
            if previous:
                sessions.delete_session(session, digest(previous))
            for surplus in sessions.sessions_of(session, user_id)[MOST_SESSIONS - 1 :]:
                sessions.delete_session(session, surplus.id_hash)
            insert_row(session, row)
            user.last_login_at = now
        self._changes.note()
        return session_id

    def find(self, id_hash: str, now: datetime) -> tuple[Principal, datetime] | None:
        """Return who a session belongs to and when it was last used; None where it is over.

        A session that begins in the future is over, too: the clock was set back, and its end cannot be trusted.
        """
        with self._database.read() as session:
            found = sessions.find_session(session, id_hash)
        if found is None:
            return None
        row, user = found
        if not row.created_at - CLOCK_SLACK <= now < min(row.expires_at, row.last_seen_at + IDLE):
            return None
        return Principal(Kind.USER, user.id, user.name, Role(user.role), id_hash, row.expires_at), row.last_seen_at

    def touch(self, id_hash: str, now: datetime) -> None:
        """Write that a person uses a session."""
        with self._database.write() as session:
            sessions.touch_session(session, id_hash, now)

    def list_of(self, principal: Principal) -> list[SessionView]:
        """Return the sessions of a person, last used first."""
        with self._database.read() as session:
            return [session_view(row, principal.credential) for row in sessions.sessions_of(session, principal.id)]

    def sign_out(self, principal: Principal) -> None:
        """End the session of a request."""
        with self._database.write() as session:
            sessions.delete_session(session, principal.credential)
        self._changes.note()

    def sign_out_everywhere(self, user_id: int) -> None:
        """End all sessions of a person."""
        with self._database.write() as session:
            sessions.delete_sessions_of(session, user_id)
        self._changes.note()

    def change_own_password(self, principal: Principal, old: str, new: str, address: str) -> None:
        """Change the password of a person who knows the old one; all sessions of the person end."""
        attempt = self._throttle.begin(*keys_of(principal.name, address))
        with self._database.read() as session:
            user = session.get(User, principal.id)
        if not self._is_right(user, old):
            raise Invalid("old_password", "The present password is wrong")
        self._throttle.succeed(attempt)
        self._people.set_password(principal.id, new)

    def _is_right(self, user: User | None, password: str) -> bool:
        """Check a password in the same time whether the name exists or not, and renew a hash of old parameters."""
        stored = user.password_hash if user is not None else None
        is_right = self._passwords.is_right(stored, password)
        if is_right and user is not None and stored is not None and self._passwords.is_outdated(stored):
            hashed = self._passwords.hash(password)
            with self._database.write() as session:
                users.replace_hash(session, user.id, stored, hashed)
        return is_right
