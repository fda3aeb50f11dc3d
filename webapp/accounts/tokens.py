"""API tokens: make one, whose text is shown once; list, revoke, and who one acts for."""

from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from webapp.accounts.changes import AccountChanges
from webapp.accounts.principal import RANDOM_BYTES, Kind, Principal, digest
from webapp.accounts.roles import Role, lower_of
from webapp.accounts.sessions import CLOCK_SLACK
from webapp.accounts.views import TokenView, token_view
from webapp.db.database import Database
from webapp.db.repository.accounts import tokens
from webapp.db.repository.rows import insert_row
from webapp.db.tables import ApiToken, User
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import clean_text

TOKEN_PREFIX = "mdw_"
"""By which a person, and a scanner of repositories, recognizes an API token of Meadow."""
MAX_NAME, MAX_DAYS, DEFAULT_DAYS, MOST_TOKENS = 64, 366, 90, 50


class Tokens:
    """The API tokens of all people. Any thread may call it."""

    def __init__(self, database: Database, changes: AccountChanges) -> None:
        self._database, self._changes = database, changes

    def add(self, principal: Principal, name: str, role: Role, days: int) -> tuple[TokenView, str]:
        """Return a new token of a person and its text, which is stored nowhere.

        It may do no more than who makes it; made with a token, it does not outlive that one.
        """
        if principal.kind is Kind.LOCAL:
            raise Conflict("API tokens belong to accounts: create the first account.")
        name = clean_text(name, MAX_NAME)
        if not name:
            raise Invalid("name", "A token needs a name")
        if not principal.may(role):
            raise Invalid("role", f"The role is above yours, {principal.role}")
        now, text = datetime.now(UTC), TOKEN_PREFIX + token_urlsafe(RANDOM_BYTES)
        ends = now + timedelta(days=days)
        if principal.kind is Kind.TOKEN and principal.expires_at is not None:
            ends = min(ends, principal.expires_at)
        row = ApiToken(
            user_id=principal.id, name=name, token_hash=digest(text), role=role, created_at=now, expires_at=ends
        )
        with self._database.write() as session:
            if session.get(User, principal.id) is None:  # removed since the request was let in
                raise NotFound(f"There is no account {principal.name}.")
            if len(tokens.tokens_of(session, principal.id)) >= MOST_TOKENS:
                raise Conflict(f"There are {MOST_TOKENS} tokens: revoke those that are not needed.")
            view = token_view(insert_row(session, row))
        return view, text

    def list_of(self, user_id: int) -> list[TokenView]:
        """Return the tokens of a person, newest first."""
        with self._database.read() as session:
            return [token_view(row) for row in tokens.tokens_of(session, user_id)]

    def revoke(self, user_id: int, token_id: int) -> None:
        """End a token of a person; raises NotFound."""
        with self._database.write() as session:
            if not tokens.delete_token(session, token_id, user_id):
                raise NotFound(f"There is no token {token_id}.")
        self._changes.note()

    def find(self, token_hash: str, now: datetime) -> Principal | None:
        """Return who a token acts for; None where it is over.

        One that begins in the future is over, too: the clock was set back, and its end cannot be trusted.
        """
        with self._database.read() as session:
            found = tokens.find_token(session, token_hash)
        if found is None or not found[0].created_at - CLOCK_SLACK <= now < found[0].expires_at:
            return None
        row, user = found
        role = lower_of(Role(row.role), Role(user.role))
        return Principal(Kind.TOKEN, user.id, user.name, role, token_hash, row.expires_at, row.id)


def looks_like_token(text: str) -> bool:
    """Return whether a text may be a token; others are refused without a look into the database."""
    return text.startswith(TOKEN_PREFIX) and text.isascii() and len(text) <= 100
