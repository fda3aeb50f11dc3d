"""Logins of a command on another machine, which a signed-in person approves in a browser (RFC 8628).

They are in memory, bounded, over after ten minutes, and each good for one token.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from federation.protocol.addresses import network_of
from webapp.accounts.principal import Principal, digest
from webapp.accounts.roles import Role
from webapp.accounts.throttle import Throttle
from webapp.accounts.tokens import Tokens
from webapp.problems import Conflict, Invalid, NotFound, Problem

SECONDS, INTERVAL_SECONDS = 600, 2
"""How long a login waits, and how often the command asks for its token."""
MOST, MOST_OF_ADDRESS = 200, 5
ALPHABET, LETTERS = "BCDFGHJKLMNPQRSTVWXZ", 5
"""A code makes no word. It has 43 random bits, and is worth nothing without a person who is signed in."""
UNKNOWN = "This login is not known, or is over: run flwr login again."


class LoginState(StrEnum):
    """What a person has decided."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login under way. ``code`` is what page and terminal show, ``address`` is where the command runs."""

    code: str
    address: str
    device_hash: str = field(repr=False)
    begun: float
    at: datetime
    state: LoginState = LoginState.WAITING
    person: Principal | None = None
    role: Role = Role.VIEWER
    days: int = 1


class DeviceLogins:
    """The logins of this process. Any thread may use it; ``clock`` returns seconds and is never set back."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock, self._lock = tokens, clock, threading.Lock()
        self._known: dict[str, DeviceLogin] = {}
        self._throttle = Throttle(clock)

    def begin(self, address: str) -> tuple[DeviceLogin, str]:
        """Return a new login and the secret by which its command asks for the token; raises a Problem."""
        code = "-".join("".join(secrets.choice(ALPHABET) for _ in range(LETTERS)) for _ in range(2))
        secret = secrets.token_urlsafe(32)
        made = DeviceLogin(code, address, digest(secret), self._clock(), datetime.now(UTC))
        with self._lock:
            self._drop_old()
            network = _network(address)
            same = sum(_network(one.address) == network for one in self._known.values())
            if len(self._known) >= MOST or same >= MOST_OF_ADDRESS:
                raise Problem("Too many logins wait for approval. Try again in ten minutes.", 429)
            self._known[code] = made
        return made, secret

    def find(self, code: str) -> DeviceLogin:
        """Return the login with a code; raises NotFound."""
        with self._lock:
            self._drop_old()
            if (found := self._known.get(code.strip().upper()[:20])) is None:
                raise NotFound(UNKNOWN)
            return found

    def approve(self, code: str, person: Principal, role: Role, days: int) -> DeviceLogin:
        """Let a login have a token of a person; raises NotFound, Conflict, Invalid."""
        if not person.may(role):
            raise Invalid("role", f"The role is above yours, {person.role}")
        return self._decide(code, state=LoginState.APPROVED, person=person, role=role, days=days)

    def refuse(self, code: str) -> DeviceLogin:
        """Refuse a login; raises NotFound, Conflict."""
        return self._decide(code, state=LoginState.REFUSED)

    def take(self, secret: str, address: str) -> tuple[DeviceLogin, str] | None:
        """Return a login that was approved with the text of its token, once; None while it waits.

        Raises NotFound, and TooManyAttempts for an address that keeps on trying; a Problem where it was refused.
        """
        wanted = digest(secret)
        with self._lock:
            self._drop_old()
            found = next((one for one in self._known.values() if one.device_hash == wanted), None)
            if found is not None and found.state is LoginState.WAITING:
                return None
            if found is not None:
                del self._known[found.code]
        if found is None:
            self._throttle.begin(("address", _network(address)))
            raise NotFound(UNKNOWN)
        if found.person is None:
            raise Problem("The login was refused on the dashboard.", 403)
        name = f"flwr login from {found.address}"[:64]
        return found, self._tokens.add(found.person, name, found.role, found.days)[1]

    def _decide(self, code: str, **values: object) -> DeviceLogin:
        found = self.find(code)
        with self._lock:
            if self._known.get(found.code) is not found or found.state is not LoginState.WAITING:
                raise Conflict(f"The login {found.code} is {found.state} already.")
            decided = self._known[found.code] = replace(found, **values)  # type: ignore[arg-type]
        return decided

    def _drop_old(self) -> None:
        now = self._clock()
        self._known = {code: one for code, one in self._known.items() if now - one.begun < SECONDS}


def _network(address: str) -> str:
    return network_of(address) or address
