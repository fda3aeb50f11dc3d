"""The clients of the dashboard: approval and revocation, names, and exclusion from all runs.

Who may join is decided by ``connections.admission``; what one run excludes is left to steering.
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from federation.coordinator.supervisor import Supervisor
from federation.protocol.keys import BadKey, parse_public_key, short_fingerprint
from federation.protocol.messages import Close
from federation.run.events import ClientChanged, Event, Progress, StoreUnavailable
from federation.server.flower_server import FlowerServer, LiveClient
from webapp.db.database import Database, Session
from webapp.db.repository import clients as table
from webapp.db.repository.client_history import last_failure
from webapp.db.repository.events import add_event
from webapp.db.repository.rounds import outcome_counts
from webapp.db.repository.rows import change_row, get_row
from webapp.db.tables import Client
from webapp.operations.event_hub import EventHub
from webapp.operations.own_data.reported import reported_data
from webapp.operations.simulation.partitions import Part
from webapp.operations.views import ClientView, FailureView, client_state, client_view
from webapp.problems import Conflict, Invalid, NotFound
from webapp.sanitizing import clean_json, clean_text

log = logging.getLogger(__name__)

MAX_NAME, MAX_PARTITIONS = 64, 10_000


class Clients:
    """Reads and changes the clients table, and tells the Flower server and the active run about changes.

    Every method may be called from any thread. The Flower server and the supervisor are attached after they were made,
    since they need this object first.
    """

    def __init__(self, database: Database, event_hub: EventHub) -> None:
        self._database, self._event_hub = database, event_hub
        self._flower: FlowerServer | None = None
        self._supervisor: Supervisor | None = None

    def attach_flower(self, flower: FlowerServer) -> None:
        """Set the server that knows which clients are connected."""
        self._flower = flower

    def attach_supervisor(self, supervisor: Supervisor) -> None:
        """Set the supervisor, whose active run is told at once when a client is excluded."""
        self._supervisor = supervisor

    def online_ids(self) -> Collection[int]:
        """Return the ids of the clients that are connected."""
        return self._live().keys()

    # -- called by the Flower server --------------------------------------------------------------------------------

    def handle_event(self, event: Event) -> None:
        """Take an event of the Flower server that belongs to no run."""
        if isinstance(event, Progress):
            self._event_hub.publish_progress(event)
        elif isinstance(event, ClientChanged):
            reports = {"facts": event.facts, "versions": event.versions}
            with self._database.write() as session:
                changes = {name: clean_json(value) for name, value in reports.items() if value}
                changes |= reported_data(event.data) if event.data else {}
                table.update_client(session, event.client_id, changes)
                if (row := session.get(Client, event.client_id)) is not None:
                    live = self._live().get(row.id) if event.online else None
                    self._add_event(
                        session, row, live, clean_text(event.reason), online=event.online, changes=event.changes
                    )

    def record_simulation_end(self, public_keys: Sequence[str], sentence: str) -> None:
        """Record that a process ended by itself, for each client in it that has ever joined."""
        try:
            with self._database.write() as session:
                for row in filter(None, (table.find_client(session, key) for key in public_keys)):
                    data = {"client_id": row.id, "name": row.name, "state": "ended", "reason": sentence}
                    add_event(session, "client", data, client_id=row.id)
        except StoreUnavailable as error:
            log.warning("%s", error)

    def held_partitions(self, dataset: str) -> Sequence[Part]:
        """Return the partitions of a dataset that connected clients report to hold, as (partition, partitions)."""
        live = self._live()
        with self._database.read() as session:
            held = [row.data for row in table.list_clients(session) if row.id in live]
        pairs = [(data.get("partition"), data.get("partitions")) for data in held if data.get("dataset") == dataset]
        return [
            (i, of) for i, of in pairs if isinstance(i, int) and isinstance(of, int) and 0 <= i < of <= MAX_PARTITIONS
        ]

    # -- called by pages and API; methods with a client_id raise NotFound ---------------------------------------------

    def list(self) -> list[ClientView]:
        """Return all clients, in the order in which they first joined."""
        live = self._live()
        with self._database.read() as session:
            rows, counts = table.list_clients(session), outcome_counts(session)
        return [client_view(row, live.get(row.id), counts.get(row.id)) for row in rows]

    def show(self, client_id: int) -> ClientView:
        """Return one client."""
        with self._database.read() as session:
            row = get_row(session, Client, client_id, "client")
            counts = outcome_counts(session, [client_id])
        return client_view(row, self._live().get(client_id), counts.get(client_id))

    def last_failure(self, client_id: int) -> FailureView:
        """Return the last failed task of a client; raises NotFound where no task failed with a traceback."""
        with self._database.read() as session:
            row = last_failure(session, get_row(session, Client, client_id, "client").id)
            if row is None:
                raise NotFound(f"No failed task of client {client_id} is known.")
            return FailureView.model_validate(row, from_attributes=True)

    def add_key(self, public_key: str, name: str = "") -> ClientView:
        """Admit the client with a public key (PEM or OpenSSH) that may not have connected yet.

        Raises Invalid for a text that is no key, Conflict where the access of its client was revoked.
        """
        try:
            key = parse_public_key(public_key)
        except BadKey as error:
            raise Invalid("public_key", str(error)) from None
        with self._database.write() as session:
            row = table.find_client(session, key)
            if row is not None and row.state == "revoked":
                raise Conflict(f"Access of {row.name}, which has this key, was revoked: restore it on its page.")
            client_id = self._admit_key(session, row, key, clean_text(name, MAX_NAME))
        if self._flower is not None:
            self._flower.readmit(client_id)
        return self.show(client_id)

    def add_keys(self, names: Mapping[str, str]) -> None:
        """Admit the clients with public keys, key -> name; a client whose access was revoked stays so."""
        with self._database.write() as session:
            for key, name in names.items():
                row = table.find_client(session, key)
                if row is None or row.state == "pending":
                    self._admit_key(session, row, key, name)

    def _admit_key(self, session: Session, row: Client | None, key: str, name: str) -> int:
        if row is None:
            client_id = table.insert_client(session, key, {
                "name": name or f"key {short_fingerprint(key)}", "said_name": "" if name else None,
                "state": "admitted", "kind": "supernode", "lane": "fleet",
            })  # fmt: skip
        else:
            client_id = row.id
            table.move_client(session, client_id, "admitted", ("pending",))
        self._add_event_of_change(session, client_id, "approved")
        return client_id

    def approve(self, client_id: int) -> ClientView:
        """Admit a pending or revoked client."""
        self._move(client_id, "admitted", ("pending", "revoked"), "approved")
        if self._flower is not None:
            self._flower.readmit(client_id)
        return self.show(client_id)

    def revoke(self, client_id: int) -> ClientView:
        """Revoke the access of a client and close its connection."""
        self._move(client_id, "revoked", ("admitted", "pending"), "revoked")
        if self._flower is not None:
            self._flower.lane.disconnect(client_id, Close.REVOKED, "this client was revoked")
        return self.show(client_id)

    def rename(self, client_id: int, name: str) -> ClientView:
        """Give a client a name that overrides the reported one; an empty name restores the reported one.

        Raises Invalid for a name that is too long or another client's.
        """
        wanted = clean_text(name, MAX_NAME + 1)
        if len(wanted) > MAX_NAME:
            raise Invalid("name", f"A name has at most {MAX_NAME:,} characters")
        with self._database.write() as session:
            row = get_row(session, Client, client_id, "client")
            own = row.said_name or row.name
            wanted = wanted or own
            if wanted != row.name and table.is_name_taken(session, wanted, client_id):
                raise Invalid("name", f"{wanted} is the name of another client: choose a different one")
            change_row(session, Client, client_id, name=wanted, said_name=own if wanted != own else None)
            self._add_event_of_change(session, client_id, "renamed")
        if self._flower is not None:
            self._flower.lane.rename(client_id, wanted)
        return self.show(client_id)

    def exclude(self, client_id: int) -> ClientView:
        """Exclude a client from all runs, from the next round of the active one on."""
        return self._set_excluded(client_id, True)

    def include(self, client_id: int) -> ClientView:
        """Include a client again that was excluded from all runs; an exclusion from one run alone stays."""
        return self._set_excluded(client_id, False)

    def _set_excluded(self, client_id: int, excluded: bool) -> ClientView:
        with self._database.write() as session:
            get_row(session, Client, client_id, "client")
            change_row(session, Client, client_id, left_out=excluded)
            self._add_event_of_change(session, client_id, "excluded from all runs" if excluded else "included again")
        if self._supervisor is not None:
            self._supervisor.reload_participation(included=None if excluded else client_id)
        return self.show(client_id)

    def _move(self, client_id: int, to: str, sources: tuple[str, ...], reason: str) -> None:
        with self._database.write() as session:
            get_row(session, Client, client_id, "client")
            if table.move_client(session, client_id, to, sources):
                self._add_event_of_change(session, client_id, reason)

    def _add_event_of_change(self, session: Session, client_id: int, reason: str) -> None:
        session.expire_all()
        client = get_row(session, Client, client_id, "client")
        self._add_event(session, client, self._live().get(client_id), reason, online=False)

    def _add_event(
        self, session: Session, row: Client, live: LiveClient | None, reason: str, *, online: bool, changes: int = 0
    ) -> None:
        state = client_state(row, live)
        if online and state == "offline":  # just connected: the server's list of connections may not have it yet
            state = "online"
        data = {"client_id": row.id, "name": row.name, "state": state, "reason": reason}
        if changes:
            data["changes"] = changes
        add_event(session, "client", data, client_id=row.id)

    def _live(self) -> dict[int, LiveClient]:
        return self._flower.live_clients() if self._flower is not None else {}
