"""Who may join: finds or adds the client with a key, uses its join code, and bounds the clients that wait for approval.

A stranger can make a new key for each connection. So a client that waits and is offline is kept only as long as there
is room, and a week at most; while it is online nobody takes its place.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from federation.protocol.addresses import network_of
from federation.protocol.keys import short_fingerprint
from federation.protocol.messages import Close, Hello
from federation.server.flower_server import Admission, AdmissionRefused
from webapp.db.database import Database, Session
from webapp.db.repository import clients as table
from webapp.db.repository.rows import get_row
from webapp.db.tables import Client
from webapp.formatting import plural
from webapp.operations.connections.join_attempts import JoinAttempts
from webapp.operations.connections.join_codes import JoinCodes
from webapp.operations.own_data.reported import reported_data
from webapp.sanitizing import clean_json, clean_text
from webapp.settings import Admission as AdmissionRule
from webapp.worker import Worker

log = logging.getLogger(__name__)

PENDING_FOR = timedelta(days=7)
"""A client that waits for approval is removed when it has been offline for so long."""

EXPIRY_SECONDS = 600.0
"""So often clients that have waited too long are looked for."""

JUST_SEEN = timedelta(seconds=15)
"""A client that was seen so recently may be about to be online."""

SHARE_OF_AN_ADDRESS = 10
"""One address may have the tenth part of the clients that wait for approval."""


CODE_NEEDED = (
    "this server admits new clients by join code: press Add client on the dashboard and start the client with the "
    "command that it shows"
)


class Admissions(Worker):
    """Answers what the Flower server asks about keys; any thread may call it.

    ``max_pending`` clients may wait for approval; ``online_ids`` returns the ids of the clients that are connected.
    From ``start`` to ``stop`` the clients that have waited too long are removed every ``expiry_seconds``.
    """

    def __init__(
        self, database: Database, rule: AdmissionRule, max_pending: int, online_ids: Callable[[], Collection[int]],
        codes: JoinCodes, *, expiry_seconds: float = EXPIRY_SECONDS,
    ) -> None:  # fmt: skip
        super().__init__("pending-clients")
        self._database, self._rule, self._max_pending, self._online_ids = database, rule, max_pending, online_ids
        self._codes, self._attempts = codes, JoinAttempts()
        self._expiry_seconds = expiry_seconds

    def admit(self, public_key: str, hello: Hello, address: str) -> Admission:
        """Find or insert the client with that key, and store what it reports; raises AdmissionRefused."""
        reported = {
            "name": clean_text(hello.name, 64) or "unnamed", "kind": hello.kind, "lane": "stream",
            "facts": clean_json(hello.facts) | {"address": clean_text(address, 64)},
            "versions": clean_json(hello.versions), **reported_data(hello.data),
        }  # fmt: skip
        if (seconds := self._attempts.seconds_left(address)) and not self._is_known(public_key):
            raise AdmissionRefused(f"too many attempts to join from {address}: try again in {seconds:.0f} s")
        try:
            return self._admit(public_key, reported, hello.code)
        except AdmissionRefused as error:
            if error.code != Close.FULL:
                self._attempts.fail(address)
            raise

    def admit_node(self, public_key: str, node_id: int) -> Admission:
        """Find or insert the client of a SuperNode, which reports no name; raises AdmissionRefused."""
        name = f"node-{str(node_id)[:8]}"
        reported = {"name": name, "kind": "supernode", "lane": "fleet", "node_id": str(node_id)}
        if self._rule == "code" and not self._is_known(public_key):
            key = short_fingerprint(public_key)
            raise AdmissionRefused(f"{name}, key {key}: a person must add its public key on the Clients page first")
        return self._admit(public_key, reported, None)

    def work(self) -> float:
        """Remove the clients that have waited too long for approval."""
        try:
            with self._database.read() as session:
                expired = self._expired(table.pending_clients(session))
            if expired:
                with self._database.write() as session:
                    self._expire(session)
        except Exception as error:
            log.warning("clients that wait for approval expire later: %s", error)
        return self._expiry_seconds

    def _is_known(self, public_key: str) -> bool:
        with self._database.read() as session:
            return table.find_client(session, public_key) is not None

    def _admit(self, public_key: str, reported: dict[str, Any], secret: str | None) -> Admission:
        """A known process that connects again is only looked up: it must not wait for those that write."""
        with self._database.read() as session:
            row = table.find_client(session, public_key)
        if row is None or secret is not None or _news(row, reported):
            with self._database.write() as session:
                row = self._store(session, public_key, reported, secret)
        name = str(reported["name"]) if row.said_name is None else row.name  # a name that a person gave counts
        state: Any = row.state
        return Admission(client_id=row.id, name=name, state=state)

    def _store(self, session: Session, public_key: str, reported: dict[str, Any], secret: str | None) -> Client:
        """Add the client, or write what it reports that was not known; return its row as it was, or is.

        Where a join code is not good the transaction is rolled back.
        """
        row = table.find_client(session, public_key)
        if row is None:
            return self._insert(session, public_key, reported, secret)
        if secret is not None:
            self._use_known(session, row, secret)
        if news := _news(row, reported):
            table.update_client(session, row.id, news)
        return row

    def _insert(self, session: Session, public_key: str, reported: dict[str, Any], secret: str | None) -> Client:
        """Add a client by the rule."""
        if self._rule == "code" and secret is None:
            raise AdmissionRefused(CODE_NEEDED, Close.CODE_NEEDED)
        state = "pending" if self._rule == "approve" else "admitted"
        if state == "pending":
            self._make_room(session, reported.get("facts", {}).get("address", ""))
        client_id = table.insert_client(session, public_key, {"state": state, **reported})
        client = get_row(session, Client, client_id, "client")
        self._use(session, secret, client)
        return client

    def _use_known(self, session: Session, row: Client, secret: str) -> None:
        """A good code admits a client that waits, unless a person must; one that is admitted leaves it to nobody."""
        if row.state == "pending" and self._rule != "approve":
            self._use(session, secret, row)
            table.move_client(session, row.id, "admitted", ("pending",))
            session.refresh(row)
        elif row.state == "admitted":
            self._codes.use(session, secret, row)

    def _use(self, session: Session, secret: str | None, client: Client) -> None:
        if secret is not None and (refusal := self._codes.use(session, secret, client)):
            raise AdmissionRefused(refusal, Close.CODE_REFUSED)

    def _make_room(self, session: Session, address: str) -> None:
        """Remove the client that waits and has been offline longest where no more may wait; or raise."""
        waiting, network = self._expire(session), network_of(address)
        same = [one for one in waiting if network and network_of(_address_of(one)) == network]
        most_of_address = max(1, self._max_pending // SHARE_OF_AN_ADDRESS)
        for group, most, words in ((same, most_of_address, f" from {address}"), (waiting, self._max_pending, "")):
            if len(group) < most:
                continue
            offline = self._offline(group)
            if not offline:
                raise AdmissionRefused(
                    f"{plural(len(group), 'client')}{words} pending approval, the maximum: the operator of the server "
                    "can approve or reject clients on the Clients page"
                )
            table.delete_clients(session, [offline[0].id])
            return

    def _expire(self, session: Session) -> Sequence[Client]:
        """Remove the clients that have waited too long; return those that wait, longest unseen first."""
        waiting = table.pending_clients(session)
        expired = self._expired(waiting)
        table.delete_clients(session, expired)
        return [one for one in waiting if one.id not in expired]

    def _expired(self, waiting: Sequence[Client]) -> set[int]:
        limit = datetime.now(UTC) - PENDING_FOR
        return {one.id for one in self._offline(waiting) if one.last_seen_at < limit}

    def _offline(self, waiting: Sequence[Client]) -> list[Client]:
        online, recent = self._online_ids(), datetime.now(UTC) - JUST_SEEN
        return [one for one in waiting if one.id not in online and one.last_seen_at < recent]


def _address_of(client: Client) -> str:
    return str(client.facts.get("address") or "")


def _news(row: Client, reported: dict[str, Any]) -> dict[str, Any]:
    """Return what a client reports that is not stored; the name that a person gave stays."""
    if row.said_name is not None:
        reported = {**reported, "name": row.name, "said_name": reported["name"]}
    reported = reported | _kept_data(row, reported)
    return {name: value for name, value in reported.items() if getattr(row, name) != value}


def _kept_data(row: Client, reported: dict[str, Any]) -> dict[str, Any]:
    """Return the data to store if the same process connects again: what it reported when it prepared is still true."""
    process = reported.get("facts", {}).get("process")
    if process is None or process != row.facts.get("process"):
        return {}
    return {"data": reported["data"] | {name: value for name, value in row.data.items() if value is not None}}
