"""Demo clients: real processes that a dashboard starts on its machine, watches, and takes with it when it ends."""

from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from federation.run.config import RunConfig
from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.markup import flash_of, get_both, get_page
from tests.support.processes import Meadow, wait_until
from webapp.operations.demo_clients import free_parts

JOIN_SECONDS = 60.0
SYNTHETIC = {"dataset": "synthetic"}


def start(http: httpx.Client, count: int, **more: Any) -> dict[str, Any]:
    answer = http.post("/api/demo-clients", json={"count": count, **SYNTHETIC, **more})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def online(http: httpx.Client, count: int) -> list[dict[str, Any]]:
    """Wait until so many clients are online, and return them all."""

    def enough() -> list[dict[str, Any]]:
        clients: list[dict[str, Any]] = http.get("/api/clients").json()["items"]
        return clients if sum(one["state"] == "online" for one in clients) == count else []

    return wait_until(enough, JOIN_SECONDS, f"{count} clients online")


def waits(dashboard: Dashboard, run_id: int) -> dict[str, Any]:
    """Wait until a run waits for clients, and return what it says."""

    def said() -> dict[str, Any]:
        return dict(dashboard.run(run_id)["blocked_on"] or {})

    return wait_until(said)


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, be it that nobody has taken note yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_demo_clients_join_do_a_run_and_are_ended_one_by_one(dashboard: Dashboard) -> None:
    http = dashboard.http
    home = get_both(http, "/", "home-page")
    assert home.one("button", class_="primary").text == "Start 2 demo clients"
    started = http.post("/demo-clients", data={"count": "2", "dataset": "synthetic", "back": "/"})
    assert started.status_code == 303
    page = get_page(http, started.headers["location"])
    assert page.all("div", id="home-page")
    assert flash_of(page) == "Started demo-1 and demo-2 on this machine. They appear in a few seconds."
    assert "Starting demo-1 and demo-2" in page.one("p", class_="on-the-way").text
    assert not page.all("form", action="/demo-clients"), "no second press is offered"

    listed = http.get("/api/demo-clients").json()
    assert [(one["name"], one["partition"], one["partitions"]) for one in listed["items"]] == [
        ("demo-1", 0, 2), ("demo-2", 1, 2),
    ]  # fmt: skip
    command = Path(f"/proc/{listed['items'][0]['pid']}/cmdline").read_text().split("\0")
    assert {"--share-labels", "--share-logs"} <= set(command), "what is of this machine is shown on its pages"
    online(http, 2)
    dashboard.wait_for_state(dashboard.start_run(num_rounds=2), "completed")

    clients = {one["name"]: one["id"] for one in http.get("/api/clients").json()["items"]}
    rows = get_both(http, "/clients", "clients-list")
    row = rows.one("li", id=f"client-{clients['demo-1']}")
    assert "online, demo client" in row.text
    assert row.one("button", aria_label="Stop the demo client demo-1")
    own = get_page(http, f"/clients/{clients['demo-1']}")
    assert "Demo client: a process of this dashboard that stops with the dashboard." in own.text

    ended = http.post(f"/clients/{clients['demo-1']}/end")
    assert ended.status_code == 303
    assert "demo-1 was stopped." in flash_of(get_page(http, ended.headers["location"]))
    assert is_gone(listed["items"][0]["pid"])
    assert http.post(f"/clients/{clients['demo-1']}/end").status_code == 409
    assert http.delete("/api/demo-clients/2").status_code == 204
    assert is_gone(listed["items"][1]["pid"])
    assert http.delete("/api/demo-clients/2").status_code == 404
    assert http.get("/api/demo-clients").json() == {"items": [], "most": 4, "ended": []}
    online(http, 0)
    for name, client_id in clients.items():
        events = get_page(http, f"/clients/{client_id}").one("section", aria_labelledby="events-h")
        assert f"{name} went offline: ended on request" in events.text
        assert "connection lost" not in events.text
    assert start(http, 1)["items"][0]["client_id"] == clients["demo-1"], "with the same key it is the same client"


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_no_demo_client_outlives_its_dashboard(meadow: Meadow, how: str) -> None:
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        pids = [one["pid"] for one in start(http, 2)["items"]]
        online(http, 2)
    if how == "kill":
        meadow.kill()
    else:
        assert meadow.interrupt(5) == 0
        assert all(is_gone(pid) for pid in pids)
    wait_until(lambda: all(is_gone(pid) for pid in pids), 5, "the end of the demo clients")
    files = {path.name: path.stat().st_mode & 0o777 for path in (meadow.data_dir / "demo").iterdir()}
    assert files == dict.fromkeys(("demo-1.json", "demo-1.log", "demo-2.json", "demo-2.log"), 0o600)


def test_a_demo_client_that_ends_by_itself_is_told_with_its_last_line(dashboard: Dashboard) -> None:
    http = dashboard.http
    start(http, 1)
    client_id = online(http, 1)[0]["id"]
    http.post(f"/api/clients/{client_id}/revoke")
    ended = wait_until(lambda: http.get("/api/demo-clients").json()["ended"])
    assert len(ended) == 1
    assert ended[0].startswith("demo-1 exited with code 5: 127.0.0.1:")
    assert ended[0].endswith("this client was revoked")
    assert "demo" in waits(dashboard, dashboard.start_run())["actions"]
    block = get_page(http, "/").one("section", class_="block")
    assert block.one("p", class_="wrong").text == ended[0]
    assert ended[0] in get_page(http, f"/clients/{client_id}").one("section", aria_labelledby="events-h").text


def test_what_cannot_be_started_is_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    (folder / "demo-1.json").write_text("{}")
    with running(tmp_path, demo_clients=1) as dashboard:
        http = dashboard.http
        for body in ({"count": 0}, {"count": 5}, {"count": True}, {"count": 1, "dataset": "mnist"}, {}):
            assert http.post("/api/demo-clients", json=body).status_code == 422, body
        for fields in ({"count": "0", "dataset": "digits"}, {"count": "1", "dataset": "mnist"}, {}):
            answer = http.post("/demo-clients", data=fields)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8"), fields
        two = http.post("/api/demo-clients", json={"count": 2})
        assert (two.status_code, two.json()["detail"]) == (409, "Demo clients running: 0 of at most 1. Stop one first.")
        one = http.post("/api/demo-clients", json={"count": 1})
        assert one.status_code == 409 and "is not a Meadow identity" in one.json()["detail"]
        assert http.get("/api/demo-clients").json()["items"] == []


def test_where_no_demo_clients_are_allowed_none_are_offered(tmp_path: Path) -> None:
    with running(tmp_path, demo_clients=0) as dashboard:
        answer = dashboard.http.post("/api/demo-clients", json={"count": 1})
        assert (answer.status_code, "--demo-clients" in answer.json()["detail"]) == (409, True)
        assert not get_page(dashboard.http, "/").all("form", action="/demo-clients")


@pytest.mark.parametrize(("config", "dataset"), [
    ({}, "digits"), ({"network": "cnn"}, "digits"), ({"dataset": "mnist"}, None),
    ({"network": "synthetic", "dataset": "mnist"}, "synthetic"), ({"clients": [1, 2]}, None),
    ({"network": "custom", "initial_weights": "0" * 64}, None),
])  # fmt: skip
def test_what_a_demo_client_must_hold_to_take_part(config: dict[str, Any], dataset: str | None) -> None:
    assert RunConfig(**config).demo_dataset == dataset


def test_only_a_run_that_would_ask_a_demo_client_offers_one(dashboard: Dashboard) -> None:
    others: dict[str, Any] = {"clients": dashboard.know_clients("site-a", "site-b")}
    for offered, config in ((False, others), (True, {"dataset": "mnist"})):
        run_id = dashboard.start_run(**config)
        assert ("demo" in waits(dashboard, run_id)["actions"]) is offered
        forms = get_page(dashboard.http, f"/runs/{run_id}").all("form", action="/demo-clients")
        assert [form.one("button").text for form in forms] == ["Start 2 demo clients"] * offered
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")


@pytest.mark.parametrize(("held", "count", "parts"), [
    ([], 2, [(0, 2), (1, 2)]), ([], 1, [(0, 2)]), ([], 4, [(0, 4), (1, 4), (2, 4), (3, 4)]),
    ([(0, 2)], 1, [(1, 2)]), ([(0, 5), (2, 5)], 2, [(1, 5), (3, 5)]), ([(0, 2), (1, 2)], 1, [(0, 2)]),
])  # fmt: skip
def test_a_demo_client_takes_a_part_that_nobody_holds(held: Any, count: int, parts: Any) -> None:
    assert free_parts(held, count) == parts


def test_a_demo_client_waits_for_approval_like_any_other(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard:
        http = dashboard.http
        started = http.post("/demo-clients", data={"count": "1", "dataset": "synthetic", "back": "/clients"})
        said = flash_of(get_page(http, started.headers["location"]))
        assert said == "Started demo-1 on this machine. Approve new clients on the Clients page."
        wait_until(lambda: [one["state"] for one in http.get("/api/clients").json()["items"]] == ["pending"])
        http.post("/clients/1/approve")
        assert online(http, 1)


def test_demo_clients_are_known_again_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        start(first.http, 1)
        online(first.http, 1)
    with running(tmp_path) as second:
        page = get_page(second.http, "/clients/1")
        assert "Demo client: not running." in page.text
        assert not second.http.get("/api/demo-clients").json()["items"]
