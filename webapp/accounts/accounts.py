"""The accounts of one dashboard, and who acts in a request: known for a second, or until an account changes."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.accounts.changes import AccountChanges, Version
from webapp.accounts.device_logins import DeviceLogins
from webapp.accounts.passwords import Passwords
from webapp.accounts.people import People
from webapp.accounts.principal import LOCAL, Kind, Principal, digest
from webapp.accounts.sessions import IDLE, TOUCH_EVERY, Sessions
from webapp.accounts.throttle import Throttle
from webapp.accounts.tokens import Tokens, looks_like_token
from webapp.db.database import Database
from webapp.db.failures import DatabaseUnavailable
from webapp.settings import Settings

if TYPE_CHECKING:
    from webapp.accounts.openid.sign_in import OpenIdSignIn

CHANGES_FILE = "accounts.changes"
KNOWN_SECONDS, REREAD_SECONDS, MAX_KNOWN = 1.0, 15.0, 4096
"""After the first time requests know of what another machine changed in the database, after the second streams do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought: the session id of its cookie, the text of its API token; empty where there is none."""

    session_id: str = ""
    token: str = ""

    def __bool__(self) -> bool:
        """Whether they can be anyone's."""
        return looks_like_token(self.token) if self.token else bool(self.session_id)

    @property
    def kind(self) -> Kind:
        """A token counts, where a request has both."""
        return Kind.TOKEN if self.token else Kind.USER

    @property
    def key(self) -> str:
        """The hash by which the database knows them."""
        return digest(self.token or self.session_id)


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    version: Version
    at: float
    last_seen_at: datetime | None

    @property
    def is_touch_due(self) -> bool:
        return self.last_seen_at is not None and abs(datetime.now(UTC) - self.last_seen_at) >= TOUCH_EVERY

    @property
    def is_idle(self) -> bool:
        return self.last_seen_at is not None and datetime.now(UTC) >= self.last_seen_at + IDLE


class Accounts:
    """Everything about accounts. Any thread may call it.

    ``is_loopback``: only this machine reaches the dashboard. Without an account it then works in local mode: every
    request is that of ``LOCAL``, unless the ``settings`` name an OpenID provider.
    """

    def __init__(
        self, database: Database, data_dir: Path, *, is_loopback: bool, settings: Settings | None = None
    ) -> None:  # fmt: skip
        self.changes = AccountChanges(data_dir / CHANGES_FILE)
        self.passwords, self.throttle = Passwords(), Throttle()
        self.people = People(database, self.passwords, self.changes)
        self.sessions = Sessions(database, self.passwords, self.people, self.throttle, self.changes)
        self.tokens = Tokens(database, self.changes)
        self.device_logins = DeviceLogins(self.tokens)
        self.openid = _openid(settings, database, self.changes)
        self._is_loopback = is_loopback and self.openid is None
        self._has_any: tuple[Version, bool] | None = None
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_local(self) -> bool:
        """Whether the dashboard works without accounts; reads the database where accounts have changed."""
        if not self._is_loopback:
            return False
        version = self.changes.version
        if self._has_any is None or (self._has_any[0] != version and not self._has_any[1]):
            self._has_any = version, self.people.has_any()
        return not self._has_any[1]

    def recall(self, credentials: Credentials, *, by_person: bool = False) -> Principal | None:
        """Return who acts, where that needs no look into the database; else None. Takes microseconds."""
        version = self.changes.version
        if self._is_loopback and self._has_any == (version, False):
            return LOCAL
        kind, known = credentials.kind, self._known.get(credentials.key)
        if known is None or known.version != version or time.monotonic() - known.at > KNOWN_SECONDS:
            return None
        is_usable = known.principal.kind is kind and _is_current(known.principal)
        return known.principal if is_usable and not (by_person and known.is_touch_due) else None

    def identify(self, credentials: Credentials, *, by_person: bool = False) -> Principal | None:
        """Return who acts; None where the credentials are wrong, expired or missing. May raise DatabaseUnavailable.

        ``by_person``: the request is one that a person made, not one that an open page makes by itself: the time in
        which an idle session ends begins anew.
        """
        if self.is_local:
            return LOCAL
        principal = self.recall(credentials) or (self._read(credentials.kind, credentials.key) if credentials else None)
        if principal is not None and by_person:
            self._touch(principal)
        return principal

    def is_valid(self, principal: Principal) -> bool:
        """Return whether who was identified before may still act, with the same role."""
        if principal.kind is Kind.LOCAL:
            return self.is_local
        known = self._known.get(principal.credential)
        is_fresh = known is not None and time.monotonic() - known.at < REREAD_SECONDS
        if known is None or not is_fresh or known.version != self.changes.version or not _is_current(principal):
            return self._read(principal.kind, principal.credential) == principal
        return known.principal == principal and not known.is_idle

    def _read(self, kind: Kind, key: str) -> Principal | None:
        """Read who a hash belongs to, by one query, and remember it."""
        version, now, seen = self.changes.version, datetime.now(UTC), None  # before the query
        if kind is Kind.TOKEN:
            principal = self.tokens.find(key, now)
        else:
            found = self.sessions.find(key, now)
            principal, seen = found or (None, None)
        with self._lock:
            self._known.pop(key, None)
            if principal is not None:
                self._known[key] = _Known(principal, version, time.monotonic(), seen)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return principal

    def _touch(self, principal: Principal) -> None:
        known, now = self._known.get(principal.credential), datetime.now(UTC)
        if known is None or not known.is_touch_due:
            return
        try:
            self.sessions.touch(principal.credential, now)
        except DatabaseUnavailable:
            return  # what the request reads may still be answered
        with self._lock:
            if self._known.get(principal.credential) is known:
                self._known[principal.credential] = replace(known, last_seen_at=now)


def _is_current(principal: Principal) -> bool:
    return principal.expires_at is None or datetime.now(UTC) < principal.expires_at


def _openid(settings: Settings | None, database: Database, changes: AccountChanges) -> "OpenIdSignIn | None":
    """Return the sign-in with the provider of the settings, if they name one: what it imports takes 0.2 s."""
    if settings is None or not settings.openid_issuer:
        return None
    from webapp.accounts.openid.sign_in import read_openid

    return read_openid(settings, database, changes)
