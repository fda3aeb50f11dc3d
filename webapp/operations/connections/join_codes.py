"""Join codes: made, listed, revoked, and used once by one client. Only hashes of their secrets are stored."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from federation.protocol.keys import fingerprint
from federation.protocol.messages import MAX_NAME_CHARACTERS
from webapp.db.database import Database, Session
from webapp.db.repository import clients as table
from webapp.db.repository.audit.entries import append_entry
from webapp.db.repository.rows import get_row, insert_row
from webapp.db.tables import Client, JoinCode
from webapp.operations.audit.attempts import Actor, Attempt
from webapp.problems import Conflict, Invalid
from webapp.sanitizing import clean_text

GOOD_FOR = timedelta(hours=1)
KEPT_FOR = timedelta(days=30)
"""A code is listed for so long after its end."""
MAX_OPEN, MAX_LISTED = 1000, 200

SENTENCES = {
    "unknown": "this server knows no such join code",
    "used": "this join code has been used by another client",
    "expired": "this join code has expired: a code is good for one hour",
    "revoked": "this join code was revoked",
}
AGAIN = "press Add client on the dashboard for a new one"


class JoinCodeState(StrEnum):
    """Whether a code may be used, else why not. The first of the reasons that is true counts."""

    OPEN = "open"
    USED = "used"
    REVOKED = "revoked"
    EXPIRED = "expired"


def state_of(code: JoinCode, now: datetime) -> JoinCodeState:
    """Return the state of a code; a clock that was set back to before its creation ends it, too."""
    if code.used_at is not None:
        return JoinCodeState.USED
    if code.revoked_at is not None:
        return JoinCodeState.REVOKED
    is_open = code.created_at <= now + table.CLOCK_STEP and now < code.expires_at
    return JoinCodeState.OPEN if is_open else JoinCodeState.EXPIRED


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a code tells the client to be; None leaves it to the client."""

    name: str | None = None
    dataset: str | None = None
    partition: int | None = None
    partitions: int | None = None


def checked_settings(
    name: str | None, dataset: str | None, partition: int | None, partitions: int | None
) -> ClientSettings:
    """Return the settings for a code; raises Invalid."""
    if (partition is None) != (partitions is None):
        raise Invalid(
            "partitions" if partitions is None else "partition",
            "Give a partition and the number of partitions, or neither",
        )
    if partition is not None and partitions is not None and partition >= partitions:
        raise Invalid("partition", f"Partitions count from 0: the last of {partitions} is {partitions - 1}")
    return ClientSettings(clean_text(name or "", MAX_NAME_CHARACTERS) or None, dataset, partition, partitions)


class JoinCodes:
    """The join codes of this dashboard. Every method may be called from any thread; ``clock`` returns UTC."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock

    def create(self, by: str, settings: ClientSettings) -> tuple[JoinCode, str]:
        """Make a code and return its row and its secret, which can be read only here; raises Conflict."""
        now, secret = self._clock(), secrets.token_urlsafe(18)
        with self._database.write() as session:
            table.delete_join_codes(session, now - KEPT_FOR)
            if table.count_open_join_codes(session, now) >= MAX_OPEN:
                raise Conflict(f"{MAX_OPEN:,} join codes are open, the maximum: revoke some or wait.")
            row = insert_row(session, JoinCode(
                secret_hash=_hash(secret), created_at=now, created_by=by, expires_at=now + GOOD_FOR, **asdict(settings)
            ))  # fmt: skip
        return row, secret

    def list(self) -> Sequence[tuple[JoinCode, JoinCodeState]]:
        """Return the newest codes with their states, newest first."""
        now = self._clock()
        with self._database.read() as session:
            return [(code, state_of(code, now)) for code in table.list_join_codes(session, MAX_LISTED)]

    def revoke(self, code_id: int) -> tuple[JoinCode, JoinCodeState]:
        """Revoke an open code; one that has ended otherwise is no longer good anyway. Raises NotFound, Conflict."""
        now = self._clock()
        with self._database.write() as session:
            table.revoke_join_code(session, code_id, now)
            row = get_row(session, JoinCode, code_id, "join code")
            if row.used_at is not None:
                raise Conflict("This join code has been used: revoke the access of the client instead.")
        return row, state_of(row, now)

    def use(self, session: Session, secret: str, client: Client) -> str:
        """Mark a code as used by a client, within the transaction that admits the client; return why it is refused.

        The result is empty where the code was good. The database compares and sets: of two clients one gets it. The
        same transaction adds the entry of the audit log.
        """
        now, secret_hash = self._clock(), _hash(secret)
        is_used = table.use_join_code(session, secret_hash, client.id, now)
        row = table.find_join_code(session, secret_hash)
        if row is not None and is_used:
            append_entry(session, _attempt(client, row).values())
        if row is not None and row.client_id == client.id:
            return ""
        return f"{SENTENCES[state_of(row, now) if row is not None else 'unknown']}; {AGAIN}"


def _attempt(client: Client, code: JoinCode) -> Attempt:
    """Return what the audit log says: which client used whose code, and from where."""
    detail = {"code": code.id, "made_by": code.created_by, "key": fingerprint(client.public_key)}
    address = str(client.facts.get("address") or "")
    return Attempt(Actor("client", client.name), "join", target=f"client {client.id}", address=address, detail=detail)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
