"""Clients over the REST API, with light clients on the real stream lane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.protocol.messages import Close
from tests.support.dashboard import Dashboard, running
from tests.support.processes import wait_until
from webapp.db.repository.clients import insert_client


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard where a person lets clients in."""
    with running(tmp_path, admission="approve") as made:
        yield made


def test_a_client_is_shown_with_what_it_said_and_did(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        (client,) = dashboard.wait_for_clients(1)
        assert (client["name"], client["kind"], client["lane"], client["dataset"]) == (
            "site-a", "client", "stream", "synthetic",
        )  # fmt: skip
        assert (client["facts"]["platform"], client["samples"], client["counts"]) == ("light", 10, {})
        run_id = dashboard.start_run(num_rounds=2, min_clients=1)
        dashboard.wait_for_state(run_id, "completed")
        shown = dashboard.http.get(f"/api/clients/{client['id']}").json()
        assert shown["counts"] == {"accepted": 2}
    wait_until(lambda: dashboard.http.get(f"/api/clients/{client['id']}").json()["state"] == "offline")


def test_a_client_is_the_same_after_it_came_back_under_another_name(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        first = stage.add("site-a")
        (client,) = dashboard.wait_for_clients(1)
        stage.add("site-b", key=first.key)
        wait_until(lambda: dashboard.http.get("/api/clients").json()["items"][0]["name"] == "site-b")
        assert [one["id"] for one in dashboard.http.get("/api/clients").json()["items"]] == [client["id"]]


def test_a_name_is_text_on_one_line(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("<b>x</b>\r\n\x1b[31m\u202e")
        (client,) = dashboard.wait_for_clients(1)
    assert client["name"] == "<b>x</b>   [31m"


def test_a_pending_client_takes_part_once_it_is_approved(strict: Dashboard) -> None:
    with strict.stage() as stage:
        site = stage.add("site-a")
        (client,) = wait_until(lambda: strict.http.get("/api/clients").json()["items"], what="the client")
        wait_until(lambda: site.welcome is not None)
        assert site.welcome is not None
        assert (client["state"], site.welcome.state) == ("pending", "pending")
        run_id = strict.start_run(num_rounds=1, min_clients=1)
        strict.wait_for_state(run_id, "waiting")
        assert site.tasks == []

        answer = strict.http.post(f"/api/clients/{client['id']}/approve")
        assert (answer.status_code, answer.json()["state"]) == (200, "online")
        strict.wait_for_state(run_id, "completed")


def test_a_revoked_client_is_cut_off_and_stays_out(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        site = stage.add("site-a")
        (client,) = dashboard.wait_for_clients(1)
        answer = dashboard.http.post(f"/api/clients/{client['id']}/revoke")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
        wait_until(lambda: site.closed is not None)
        assert site.closed is not None
        assert site.closed[0] == Close.REVOKED
        again = stage.add("site-a", key=site.key)
        wait_until(lambda: again.closed is not None)
        assert again.closed is not None
        assert (again.closed[0], again.welcome) == (Close.REVOKED, None)
        assert dashboard.http.post(f"/api/clients/{client['id']}/revoke").json()["state"] == "revoked"

        dashboard.http.post(f"/api/clients/{client['id']}/approve")
        stage.add("site-a", key=site.key)
        dashboard.wait_for_clients(1)
    events = dashboard.stream("/api/events?after=0", lambda events: events[-1]["data"].get("reason") == "approved")
    assert "revoked" in [event["data"]["state"] for event in events if event["event"] == "client"]


def test_every_client_is_listed_however_many_there_are(dashboard: Dashboard) -> None:
    with dashboard.parts.database.write() as session:
        said = {"state": "admitted", "kind": "client", "lane": "stream", "facts": {}, "data": {}, "versions": {}}
        for number in range(1001):
            insert_client(session, f"key {number}", {"name": f"site-{number}", "left_out": False, **said})
    items = dashboard.http.get("/api/clients").json()["items"]
    assert (len(items), items[-1]["name"]) == (1001, "site-1000")


def test_a_client_that_is_left_out_of_all_runs_is_not_let_into_one(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("a")
        client_id = dashboard.wait_for_clients(1)[0]["id"]
        dashboard.http.post(f"/api/clients/{client_id}/leave-out")
        run_id = dashboard.start_run(min_clients=1)
        sentence = "0 of 1 clients are eligible and online; the run needs 1 more (1 online but not eligible)"
        wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("sentence") == sentence, what=sentence)
        answer = dashboard.http.post(f"/api/runs/{run_id}/include", json={"client_id": client_id})
        assert (answer.status_code, "excluded from all runs" in answer.json()["detail"]) == (409, True)
        assert dashboard.http.post(f"/api/clients/{client_id}/let-in").status_code < 300
        dashboard.wait_for_state(run_id, "completed")


def test_an_unknown_client_is_404(dashboard: Dashboard) -> None:
    for method, path in (("GET", ""), ("POST", "/approve"), ("POST", "/revoke")):
        answer = dashboard.http.request(method, f"/api/clients/12{path}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no client 12.")
        assert dashboard.http.request(method, f"/api/clients/x{path}").status_code == 422
