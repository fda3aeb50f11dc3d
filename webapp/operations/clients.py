"""Where the clients table and the Flower server meet: who is admitted, who is there, who said what."""

import logging
from collections.abc import Sequence
from typing import Any

from federation.coordinator.supervisor import Supervisor
from federation.protocol.messages import Close, Hello
from federation.run.events import ClientChanged, Event, Progress, StoreUnavailable
from federation.server.flower_server import Admission, FlowerServer, LiveClient
from webapp.db.database import Database, Session
from webapp.db.repository import clients as table
from webapp.db.repository.events import add_event
from webapp.db.repository.rounds import outcome_counts
from webapp.db.repository.runs import get_run
from webapp.db.tables import Client
from webapp.operations.demo_clients import Part
from webapp.operations.event_hub import EventHub
from webapp.operations.views import ClientView, client_state, client_view
from webapp.problems import Invalid, NotFound
from webapp.sanitizing import clean_json, clean_text
from webapp.settings import Admission as AdmissionRule

log = logging.getLogger(__name__)

MAX_NAME, MOST_PARTS = 64, 100


class Clients:
    """The clients of this dashboard. ``serve`` gives it the Flower server, which needs it to be made."""

    def __init__(self, database: Database, event_hub: EventHub, rule: AdmissionRule) -> None:
        self._database, self._event_hub, self._rule = database, event_hub, rule
        self._flower: FlowerServer | None = None
        self._supervisor: Supervisor | None = None

    def serve(self, flower: FlowerServer) -> None:
        """Learn who knows which clients are connected."""
        self._flower = flower

    def supervise(self, supervisor: Supervisor) -> None:
        """Learn who runs the active run: it hears at once whom people leave out."""
        self._supervisor = supervisor

    # -- what the Flower server asks and tells --------------------------------------------------------------------

    def admit(self, public_key: str, hello: Hello) -> Admission:
        """Find or make the client with that key, and keep what it says about itself."""
        said = {
            "name": clean_text(hello.name, 64) or "unnamed", "kind": "client", "lane": "stream",
            "facts": clean_json(hello.facts), "data": clean_json(hello.data), "versions": clean_json(hello.versions),
        }  # fmt: skip
        return self._admit(public_key, said)

    def admit_node(self, public_key: str, node_id: int) -> Admission:
        """Find or make the client of a SuperNode; it has no name of its own."""
        said: dict[str, Any] = {
            "name": f"node-{str(node_id)[:8]}",
            "kind": "supernode",
            "lane": "fleet",
            "node_id": str(node_id),
        }
        return self._admit(public_key, said)

    def _admit(self, public_key: str, said: dict[str, Any]) -> Admission:
        with self._database.write() as session:
            row = table.find_client(session, public_key)
            state: Any
            if row is None:
                state = "admitted" if self._rule == "open" else "pending"
                client_id = table.insert_client(session, public_key, {"state": state, **said})
            else:
                client_id, state = row.id, row.state
                if row.said_name is not None:  # a name that a person gave stays
                    said = {**said, "name": row.name, "said_name": said["name"]}
                table.update_client(session, client_id, said | _prepared(row, said))
        return Admission(client_id=client_id, name=str(said["name"]), state=state)

    def hear(self, event: Event) -> None:
        """Take what the Flower server tells, outside of runs."""
        if isinstance(event, Progress):
            self._event_hub.publish_progress(event)
        elif isinstance(event, ClientChanged):
            self._change(event)

    def _change(self, event: ClientChanged) -> None:
        said = {name: clean_json(value) for name, value in (("facts", event.facts), ("data", event.data)) if value}
        with self._database.write() as session:
            table.update_client(session, event.client_id, said)
            row = table.get_client(session, event.client_id)
            if row is not None:
                live = self._live().get(row.id) if event.online else None
                self._tell(session, row, live, clean_text(event.reason), online=event.online)

    def _tell(self, session: Session, row: Client, live: LiveClient | None, reason: str, *, online: bool) -> None:
        state = client_state(row, live)
        if online and state == "offline":  # connected a moment ago: the server's own list may be behind its word
            state = "online"
        data = {"client_id": row.id, "name": row.name, "state": state, "reason": reason}
        add_event(session, "client", data, client_id=row.id)

    def hear_end_of_demo(self, public_key: str, name: str, sentence: str) -> None:
        """Tell that the process of a demo client has ended by itself, perhaps before it had ever joined."""
        try:
            with self._database.write() as session:
                row = table.find_client(session, public_key)
                data = {"client_id": row.id if row else None, "name": name, "state": "ended", "reason": sentence}
                add_event(session, "client", data, client_id=row.id if row else None)
        except StoreUnavailable as error:
            log.warning("%s", error)

    def held_parts(self, dataset: str) -> Sequence[Part]:
        """Return which parts of a data set the connected clients say that they hold."""
        live = self._live()
        with self._database.read() as session:
            said = [row.data for row in table.list_clients(session) if row.id in live]
        parts = [(one.get("partition"), one.get("partitions")) for one in said if one.get("dataset") == dataset]
        return [(i, of) for i, of in parts if isinstance(i, int) and isinstance(of, int) and 0 <= i < of <= MOST_PARTS]

    # -- what people ask --------------------------------------------------------------------------------------------

    def list(self) -> list[ClientView]:
        """Return every client, in the order in which they first came."""
        live = self._live()
        with self._database.read() as session:
            rows, counts = table.list_clients(session), outcome_counts(session)
        return [client_view(row, live.get(row.id), counts.get(row.id)) for row in rows]

    def show(self, client_id: int) -> ClientView:
        """Return one client; raises NotFound."""
        with self._database.read() as session:
            row = _get(session, client_id)
            counts = outcome_counts(session, [client_id])
        return client_view(row, self._live().get(client_id), counts.get(client_id))

    def approve(self, client_id: int) -> ClientView:
        """Let a pending or revoked client take part."""
        self._move(client_id, "admitted", ("pending", "revoked"), "approved")
        if self._flower is not None:
            self._flower.readmit(client_id)
        return self.show(client_id)

    def revoke(self, client_id: int) -> ClientView:
        """Shut a client out and end its connection."""
        self._move(client_id, "revoked", ("admitted", "pending"), "revoked")
        if self._flower is not None:
            self._flower.disconnect(client_id, Close.REVOKED, "this client was revoked")
        return self.show(client_id)

    def rename(self, client_id: int, name: str) -> ClientView:
        """Call a client by a name that stays although it says another; an empty one gives it its own again."""
        wanted = clean_text(name, MAX_NAME + 1)
        if len(wanted) > MAX_NAME:
            raise Invalid("name", f"A name has at most {MAX_NAME} characters")
        with self._database.write() as session:
            row = _get(session, client_id)
            own = row.said_name or row.name
            wanted = wanted or own
            if wanted != row.name and table.is_name_taken(session, wanted, client_id):
                raise Invalid("name", f"{wanted} is another client's name")
            table.change_client(session, client_id, name=wanted, said_name=own if wanted != own else None)
            session.expire_all()
            self._tell(session, _get(session, client_id), self._live().get(client_id), "renamed", online=False)
        if self._flower is not None:
            self._flower.rename(client_id, wanted)
        return self.show(client_id)

    def exclude(self, client_id: int) -> ClientView:
        """Exclude a client from all runs, from the next round of the active one on."""
        return self._decide(client_id, left_out=True)

    def include(self, client_id: int) -> ClientView:
        """Include a client again that was excluded from all runs; an exclusion from one run alone stays."""
        return self._decide(client_id, left_out=False)

    def _decide(self, client_id: int, *, left_out: bool) -> ClientView:
        with self._database.write() as session:
            _get(session, client_id)
            table.change_client(session, client_id, left_out=left_out)
            session.expire_all()
            row, word = _get(session, client_id), "left out of all runs" if left_out else "let in again"
            self._tell(session, row, self._live().get(client_id), word, online=False)
            self._tell_active_run(session, client_id, left_out=left_out)
        return self.show(client_id)

    def _tell_active_run(self, session: Session, client_id: int, *, left_out: bool) -> None:
        run_id = self._supervisor.active_run_id if self._supervisor is not None else None
        run = get_run(session, run_id) if run_id is not None else None
        control = self._supervisor.control(run.id) if self._supervisor is not None and run is not None else None
        if control is None or run is None:
            return
        if left_out:
            control.exclude(client_id)
        elif client_id not in run.excluded:
            control.include(client_id)

    def _move(self, client_id: int, to: str, sources: tuple[str, ...], word: str) -> None:
        with self._database.write() as session:
            _get(session, client_id)
            if table.move_client(session, client_id, to, sources):
                session.expire_all()
                row = _get(session, client_id)
                self._tell(session, row, self._live().get(client_id), word, online=False)

    def _live(self) -> dict[int, LiveClient]:
        return self._flower.live_clients() if self._flower is not None else {}


def _prepared(row: Client, said: dict[str, Any]) -> dict[str, Any]:
    """Return the data with what the same process said when it prepared: a cut cable makes no samples unknown."""
    process = said.get("facts", {}).get("process")
    if process is None or process != row.facts.get("process"):
        return {}
    return {"data": row.data | {name: value for name, value in said["data"].items() if value is not None}}


def _get(session: Session, client_id: int) -> Client:
    row = table.get_client(session, client_id)
    if row is None:
        raise NotFound(f"There is no client {client_id}.")
    return row
