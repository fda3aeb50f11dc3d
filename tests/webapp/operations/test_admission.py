"""Clients that wait for approval: how many are kept, from one address and in all, and for how long."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from federation.protocol.messages import Close, Hello
from federation.server.flower import Nodes
from federation.server.flower_server import AdmissionRefused
from tests.support.dashboard import Dashboard, running
from tests.support.markup import get_page
from tests.support.processes import wait_until
from webapp.db.database import Database
from webapp.db.repository.clients import list_clients
from webapp.db.repository.events import add_event, newest_events
from webapp.db.repository.rows import change_row
from webapp.db.tables import Client
from webapp.operations.connections.admission import Admissions
from webapp.operations.connections.join_codes import JoinCodes

HELLO = Hello(public_key="k", signature="s", name="stranger", facts={"cpus": 1})


class Door:
    """Admissions with room for twenty, two of them from one address; a test says who is online."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.online: set[int] = set()
        codes = JoinCodes(database)
        self.admissions = Admissions(database, "approve", 20, lambda: self.online, codes, expiry_seconds=0.05)

    def ask(self, key: str, address: str = "10.0.0.1") -> int:
        return self.admissions.admit(key, HELLO, address).client_id

    def last_seen(self, client_id: int, **ago: float) -> None:
        with self.database.write() as session:
            change_row(session, Client, client_id, last_seen_at=datetime.now(UTC) - timedelta(**ago))

    def known(self) -> set[int]:
        with self.database.read() as session:
            return {client.id for client in list_clients(session)}


@pytest.fixture
def door(dashboard: Dashboard) -> Door:
    return Door(dashboard.parts.database)


def test_strangers_without_number_leave_few_rows(door: Door) -> None:
    refused = []
    for number in range(200):
        try:
            door.ask(f"key {number}", f"10.0.0.{number % 50}")
        except AdmissionRefused as error:
            refused.append(str(error))
    assert len(door.known()) == 20 and len(refused) == 180
    assert set(refused) == {
        "20 clients pending approval, the maximum: the operator of the server can approve or reject clients on the "
        "Clients page"
    }


def test_one_address_has_a_tenth_of_the_room_and_all_of_an_ipv6_network_are_one(door: Door) -> None:
    first = door.ask("a")
    door.ask("b")
    with pytest.raises(AdmissionRefused, match=r"2 clients from 10\.0\.0\.1 pending approval"):
        door.ask("c")
    assert door.ask("a") == first, "a key that waits already is no newcomer"
    for number in range(2):
        door.ask(f"v6 {number}", f"2001:db8::{number + 1}")
    with pytest.raises(AdmissionRefused, match=r"2 clients from 2001:db8::ffff pending"):
        door.ask("v6", "2001:db8::ffff")
    door.ask("v6", "2001:db8:0:1::1")


def test_a_newcomer_takes_the_place_of_the_one_that_is_offline_longest(door: Door) -> None:
    online, away = door.ask("online"), door.ask("away")
    door.online = {online}
    door.last_seen(online, hours=9)
    with pytest.raises(AdmissionRefused):
        door.ask("too early")  # the other one may be about to be online
    door.last_seen(away, hours=1)
    newcomer = door.ask("newcomer")
    assert door.known() == {online, newcomer}


def test_a_client_that_waited_offline_for_a_week_is_removed_with_its_events(door: Door) -> None:
    expired, online, admitted, revoked = (door.ask(name, f"10.1.0.{place}") for place, name in enumerate("abcd"))
    for client_id, state in ((admitted, "admitted"), (revoked, "revoked")):
        with door.database.write() as session:
            change_row(session, Client, client_id, state=state)
            add_event(session, "client", {"state": "x"}, client_id=expired)
    recent = door.ask("e", "10.1.0.9")
    for client_id in (expired, online, admitted, revoked):
        door.last_seen(client_id, days=7, minutes=1)
    door.last_seen(recent, days=6)
    door.online = {online}
    door.admissions.start()
    wait_until(lambda: door.known() == {online, admitted, revoked, recent})
    door.last_seen(recent, days=8)  # nobody asks to join, and the dashboard is not started anew
    wait_until(lambda: door.known() == {online, admitted, revoked})
    door.admissions.stop()
    with door.database.read() as session:
        assert not newest_events(session, client_id=expired, limit=10)
    assert door.ask("a", "10.1.0.0") not in (expired, recent), "a client that comes back asks again, with another id"


def test_a_refused_client_is_told_why_and_pages_show_it(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve", max_pending=1) as dashboard, dashboard.stage() as stage:
        first = stage.add("first")
        wait_until(lambda: first.welcome)
        second = stage.add("second")
        wait_until(lambda: second.closed)
        code, reason = second.closed or (0, "")
        assert code == Close.FULL and reason.startswith("1 client from 127.0.0.1 pending approval")
        assert len(dashboard.http.get("/api/clients").json()["items"]) == 1
        clients = get_page(dashboard.http, "/clients").text
        assert "The maximum of 1 pending clients is reached" in clients and "127.0.0.1, 1 CPU" in clients
        server = get_page(dashboard.http, "/server").text
        assert "new clients from 127.0.0.1" in server and "approve, 1 of at most 1 clients pending" in server

        nodes = Nodes(dashboard.parts.settings.flower_dir / "linkstate.db")
        assert first.welcome is not None and first.welcome.node_id == "0" and not nodes.state.get_node_info()
        assert dashboard.http.post("/api/clients/1/approve").status_code == 200
        (known,) = dashboard.http.get("/api/clients").json()["items"]
        approved = dashboard.http.get("/api/audit", params={"action": "approve"}).json()["items"][0]
        assert (approved["actor_kind"], approved["target"]) == ("local", "client 1")
        assert approved["detail"] == {"name": "first", "key": known["fingerprint"]}
        wait_until(lambda: first.welcome is not None and first.welcome.state == "admitted")
        assert [str(node.node_id) for node in nodes.state.get_node_info()] == [first.welcome.node_id]
        run_id = dashboard.start_run(num_rounds=1, min_clients=1)
        dashboard.wait_for_state(run_id, "completed")
