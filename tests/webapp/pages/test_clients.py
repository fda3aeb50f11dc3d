"""The page of clients: who is here, what they bring, how another one joins."""

import asyncio
import json
import math
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from federation.protocol.messages import PATH, SUBPROTOCOL, Close
from federation.run.events import ClientChanged
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import LightClient
from tests.support.markup import get_both, get_page
from tests.support.odd_clients import hello_text
from tests.support.processes import wait_until
from webapp.db.repository.clients import insert_client


def test_without_clients_the_page_teaches_how_to_join(dashboard: Dashboard) -> None:
    page = get_both(dashboard.http, "/clients", "clients-list")
    assert page.one("h1").text == "No client has connected yet"
    commands = [code.text for code in page.all("code")]
    assert commands[1:] == [
        f"python -m federation.client --server {dashboard.flower_address} --name {name} --dataset digits "
        f"--partitions 2 --partition {part}" for part, name in enumerate(("site-a", "site-b"))
    ]  # fmt: skip
    assert {button["data-from"] for button in page.all("button", data_act="copy")} == {"#join", "#join-a", "#join-b"}
    assert page.one("form", id="simulation").one("button").text == "Simulate 100 clients"


def test_each_client_is_listed_with_its_machine_its_data_and_its_last_rounds(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        stage.add("<i>site-b</i>")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
        here = get_both(dashboard.http, "/clients", "clients-list")
    dashboard.wait_for_clients(0)
    gone = get_both(dashboard.http, "/clients", "clients-list")

    assert here.one("h1").text == "2 clients online"
    row = here.one("li", id="client-1")
    assert "1 CPU" in row.text and "10 samples" in row.text
    assert row.one("span", class_="dots")["aria-label"] == "Last 2 rounds: all 2"
    assert here.one("li", id="client-2").one("span", class_="name").text == "<i>site-b</i>"
    assert gone.one("h1").text == "0 clients online"
    assert "offline, last seen" in gone.one("li", id="client-1").text


def wait_for_client(dashboard: Dashboard, state: str) -> None:
    """Wait until the only client is in a state."""
    wait_until(lambda: [one["state"] for one in dashboard.http.get("/api/clients").json()["items"]] == [state])


def test_a_client_that_waits_for_approval_is_let_in_or_shut_out(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard, dashboard.stage() as stage:
        stage.add("site-a")
        wait_for_client(dashboard, "pending")
        page = get_both(dashboard.http, "/clients", "clients-list")
        assert page.one("h1").text == "0 clients online, 1 pending approval"
        row = page.one("li", id="client-1")
        assert [form["action"] for form in row.all("form")] == ["/clients/1/approve", "/clients/1/revoke"]

        answer = dashboard.http.post("/clients/1/approve")
        assert (answer.status_code, answer.headers["location"]) == (303, "/clients")
        wait_for_client(dashboard, "online")
        assert dashboard.http.post("/clients/1/revoke").status_code == 303
        page = get_both(dashboard.http, "/clients", "clients-list")
        assert "revoked" in page.one("li", id="client-1").text
        assert dashboard.http.post("/clients/9/approve").status_code == 404


def test_a_rejection_offers_no_undo_that_would_admit_the_client(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard, dashboard.stage() as stage:
        stage.add("site-a")
        wait_for_client(dashboard, "pending")
        answer = dashboard.http.post("/clients/1/revoke")
        outcome = get_page(dashboard.http, answer.headers["location"]).one("div", class_="outcome")
        assert "site-a was rejected." in outcome.text and not outcome.all("form")
        assert dashboard.http.get("/api/clients/1").json()["state"] == "revoked"


def test_a_description_of_another_form_is_refused_with_its_field_and_breaks_no_page(dashboard: Dashboard) -> None:
    async def close_of(data: object) -> tuple[int | None, str | None]:
        url, client = f"ws://{dashboard.flower_address}{PATH}", LightClient(dashboard.flower_address, "odd")
        async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as peer:
            nonce = json.loads(await peer.recv())["nonce"]
            await peer.send(hello_text(client, nonce, data=data))
            await peer.wait_closed()
            return peer.close_code, peer.close_reason

    for value in ([1], {"a": 1}, 5, True, math.nan):
        code, reason = asyncio.run(close_of({"dataset": value}))
        assert code == Close.BAD_FRAME and reason is not None and "hello.data.dataset" in reason
    assert dashboard.http.get("/api/clients").json()["items"] == []
    with dashboard.parts.database.write() as session:  # a row that an earlier release stored
        said = {"name": "old", "state": "admitted", "kind": "client", "lane": "stream", "facts": {}, "versions": {}}
        insert_client(session, "key", {**said, "data": {"dataset": [1], "samples": "x", "label_counts": 5}})
    for path in ("/", "/clients", "/clients/1", "/runs/new", "/server", "/api/clients", "/api/clients/1"):
        assert dashboard.http.get(path).status_code == 200, path


def test_a_client_that_connects_again_and_again_has_one_event_with_a_count(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        first = stage.add("site-a")
        dashboard.wait_for_clients(1)
        dashboard.parts.clients.handle_event(ClientChanged(1, online=True, changes=57))
        page = get_both(dashboard.http, "/clients/1", "client-page")
    assert first.closed is None
    told = [line.text for line in page.one("section", aria_labelledby="events-h").all("li")]
    assert told[0].endswith("site-a connected or disconnected 57 times more, and is online")
