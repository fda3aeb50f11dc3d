"""The Server page: its health, what blocks the next round, and recent problems."""

import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from federation.server.flower_server import Refusal
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import LightClient
from tests.support.markup import Element, get_both
from tests.support.processes import wait_until
from webapp.operations.connections.incidents import MAX_KEPT, Incidents
from webapp.pages.server.blockers import obstacles


def reasons(page: Element) -> list[tuple[str, str]]:
    """Return the blockers, each with the label of the action that clears it."""
    rows = page.one("section", aria_labelledby="blockers-h").all("li")
    return [(row.all("span")[0].text, row.all("a")[0].text if row.all("a") else row.one("button").text) for row in rows]


def server(dashboard: Dashboard) -> Element:
    return get_both(dashboard.http, "/server", "server-page")


def test_an_idle_server_says_what_is_missing_and_what_it_is_made_of(dashboard: Dashboard) -> None:
    page = server(dashboard)
    assert page.one("h1").text == "Server healthy, idle"
    assert reasons(page) == [
        ("No client has connected yet.", "Connect a client"), ("No run is active or queued.", "Start a run")
    ]  # fmt: skip
    lines = {line.one("dt").text: line.one("dd").text for line in page.all("div") if len(line.all("dt")) == 1}
    assert lines["Flower server"] == dashboard.flower_address
    assert lines["Database"].startswith("SQLite, ")
    assert lines["Migration"] >= "0003"
    assert lines["Client protocol"] == "meadow.1"
    assert "GB free of" in lines["Data volume"]
    assert (lines["Auto-resume"], lines["Log level"]) == ("off", "info")
    assert lines["Admission"] == "open; since only this machine reaches the Flower port"
    assert "None since startup" in page.text


def test_a_paused_run_is_not_said_to_wait(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(name="Rest", num_rounds=500, min_clients=1)
        dashboard.wait_for_state(run_id, "running")
        assert dashboard.http.post(f"/api/runs/{run_id}/pause").status_code < 300
        dashboard.wait_for_state(run_id, "paused")
        assert server(dashboard).one("h1").text == "#1 Rest is paused"


def test_a_waiting_run_is_named_with_its_reason_and_the_client_that_does_not_fit(dashboard: Dashboard) -> None:
    absent = dashboard.know_clients("site-b", "site-c")
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(name="Lonely", clients=absent)
        dashboard.start_run(name="Later")
        wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("kind") == "quorum", what="a wait")
        page = server(dashboard)
    assert page.one("h1").text == "#1 Lonely is waiting"
    said = dict(reasons(page))
    assert any(text.startswith("#1 Lonely is waiting: 0 of 2 clients") for text in said), said
    assert said["site-a is not eligible for #1 Lonely: not selected for the run."] == "View"
    assert said["Queued behind #1: 1 run. One run is active at a time."] == "View queue"
    table = page.one("section", aria_labelledby="connections-h").one("tbody").all("tr")
    assert [cell.text for cell in table[0].all("td")] == ["1", "0", "0"]


def test_pending_and_excluded_clients_are_named(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard, dashboard.stage() as stage:
        stage.add("ward-7")
        wait_until(lambda: dashboard.http.get("/api/clients").json()["items"], what="a client")
        assert reasons(server(dashboard))[0] == ("Pending approval: ward-7.", "Approve")
        dashboard.http.post("/clients/1/approve")
        dashboard.http.post("/clients/1/leave-out")
        assert ("Excluded from all runs: ward-7.", "Include") in reasons(server(dashboard))


def test_a_held_run_is_started_from_the_server_page(dashboard: Dashboard) -> None:
    from webapp.db.repository.queue.order import hold_queue

    first, held = dashboard.start_run(), dashboard.start_run(name="Held")
    with dashboard.parts.database.write() as session:
        hold_queue(session, {"kind": "held", "sentence": "The server was restarted", "since": "2026-01-01T00:00:00Z",
                             "deadline": None, "actions": []})  # fmt: skip
    assert ("Held since the restart, start them in the queue: #2.", "View queue") in reasons(server(dashboard))
    dashboard.http.post(f"/runs/{first}/stop")
    dashboard.wait_for_state(first, "stopped")
    page = server(dashboard)
    assert ("#2 Held is held: The server was restarted.", "Start now") in reasons(page)
    form = next(one for one in page.all("form") if one["action"] == f"/runs/{held}/resume")
    assert dashboard.http.post(form["action"] or "").status_code == 303


def test_a_server_with_running_rounds_is_healthy(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=100_000)
        dashboard.wait_for_state(run_id, "running")
        page = server(dashboard)
        dashboard.http.post(f"/api/runs/{run_id}/stop")
    assert page.one("h1").text == "Server healthy"
    assert "Nothing is waiting." in page.text


def test_refused_attempts_and_warnings_are_told(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        good = stage.add("site-a")
        dashboard.wait_for_clients(1)
        dashboard.http.post("/clients/1/revoke")
        for _ in range(2):
            again = LightClient(good.address, "site-a", key=good.key)
            stage.do(again.run())
            wait_until(lambda again=again: again.closed is not None, what="the refusal")  # type: ignore[misc]
        forged = LightClient(good.address, "mallory")
        forged.hello = lambda nonce, pending=None: LightClient.hello(forged, "another nonce")  # type: ignore[method-assign]
        stage.do(forged.run())
        wait_until(lambda: forged.closed is not None, what="the refusal")
    logging.getLogger("webapp.test").warning("the disk is %s", "slow")
    rows = [row.text for row in server(dashboard).one("section", aria_labelledby="incidents-h").all("li")]
    assert "Warning the disk is slow webapp.test" in rows[0]
    assert "Refused the signature does not fit the key and the challenge mallory from 127.0.0.1" in rows[1]
    assert "this client was revoked on the server site-a from 127.0.0.1" in rows[2]
    assert rows[2].endswith("2×")


def test_only_the_last_fifty_are_kept_and_nothing_that_forges_a_page() -> None:
    kept = Incidents()
    for number in range(MAX_KEPT + 5):
        kept.refuse(Refusal(4401, f"reason {number}\n\x1b[31m", "<b>" * 100, "127.0.0.1"))
    newest = kept.newest()
    assert len(newest) == MAX_KEPT
    assert newest[0].text.strip() == f"reason {MAX_KEPT + 4}  [31m"
    assert len(newest[0].source) < 100
    try:
        raise ValueError("secret value")
    except ValueError:
        logging.getLogger("x").handlers = []
        kept.emit(logging.LogRecord("x", logging.ERROR, "", 0, "it broke", (), __import__("sys").exc_info()))
    assert kept.newest()[0].text == "it broke: ValueError"
    assert kept.newest()[0].kind == "error"


def test_a_key_of_another_curve_is_no_reason_to_fall_over(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        odd = LightClient(dashboard.flower_address, "odd", key=ec.generate_private_key(ec.SECP256R1()))
        stage.do(odd.run())
        wait_until(lambda: odd.closed is not None or odd.welcome is not None, what="an answer")
    server(dashboard)


def test_little_free_disk_space_is_a_warning_because_rounds_are_still_saved(dashboard: Dashboard) -> None:
    with dashboard.parts.database.read() as session:
        found = obstacles(session, {}, flower_runs=True, free_bytes=900_000_000)
    assert (found[0].state, found[0].text) == (
        "waiting", "Only 900\u202fMB free on the data volume: a run pauses when it is full. Free up disk space."
    )  # fmt: skip
