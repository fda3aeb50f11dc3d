"""Simulated clients: real processes that a dashboard starts on its machine, watches, and takes with it at its end."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from federation.run.config import RunConfig
from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.markup import flash_of, get_both, get_page, parse
from tests.support.processes import Meadow, wait_until
from webapp.operations.simulation.partitions import free_parts

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


def test_one_press_simulates_clients_and_starts_a_run_with_them(dashboard: Dashboard) -> None:
    http = dashboard.http
    form = get_both(http, "/", "home-page").one("form", id="simulation")
    assert form.one("button", class_="primary").text == "Simulate 100 clients"
    assert form.all("input", name="run", checked=True)
    assert "About 725\u202fMB of memory in 1 process" in form.text
    pressed = http.post("/demo-clients", data={
        "count": "3", "dataset": "synthetic", "processes": "2", "run": "1", "back": "/",
    })  # fmt: skip
    assert pressed.status_code == 303
    page = get_page(http, pressed.headers["location"])
    assert flash_of(page) == (
        "Started 3 simulated clients on this machine, and run #1, which begins as soon as they are online."
    )
    listed = http.get("/api/demo-clients").json()
    assert [(one["name"], one["partition"], one["partitions"]) for one in listed["items"]] == [
        ("sim-001", 0, 3), ("sim-002", 1, 3), ("sim-003", 2, 3),
    ]  # fmt: skip
    pids = [one["pid"] for one in listed["items"]]
    assert len(set(pids)) == 2 and pids[0] == pids[1]
    assert "secret" not in Path(f"/proc/{pids[0]}/cmdline").read_text()
    clients = {one["name"]: one for one in online(http, 3)}
    assert {one["kind"] for one in clients.values()} == {"simulated"}
    run = dashboard.wait_for_state(1, "completed", timeout=60)
    assert (run["num_rounds"], run["config"]["min_clients"]) == (20, 3)

    rows = get_both(http, "/clients", "clients-list")
    row, ids = rows.one("li", id=f"client-{clients['sim-001']['id']}"), {n: one["id"] for n, one in clients.items()}
    assert "simulated" in row.text and row.one("button", aria_label="Stop the simulated client sim-001")
    assert "3 simulated clients on this machine in 2 processes." in rows.text
    own = get_page(http, f"/clients/{ids['sim-001']}")
    assert "Simulated client in a process of this dashboard: it stops with the dashboard." in own.text

    ended = http.post(f"/clients/{ids['sim-001']}/end")
    assert ended.status_code == 303
    assert "sim-001 was stopped." in flash_of(get_page(http, ended.headers["location"]))
    online(http, 2)
    assert not is_gone(pids[0]), "another client is in it"
    assert http.post(f"/clients/{ids['sim-001']}/end").status_code == 409
    assert http.delete("/api/demo-clients/2").status_code == 204
    assert is_gone(pids[0]) and not is_gone(pids[2])
    assert http.delete("/api/demo-clients/2").status_code == 404
    stopped = http.post("/demo-clients/stop", data={"back": "/clients"})
    assert flash_of(get_page(http, stopped.headers["location"])) == "1 simulated client stopped."
    assert is_gone(pids[2])
    assert http.get("/api/demo-clients").json() == {"items": [], "most": 1000, "ended": []}
    online(http, 0)
    for name, client_id in ids.items():
        events = get_page(http, f"/clients/{client_id}").one("section", aria_labelledby="events-h")
        assert f"{name} went offline: ended on request" in events.text
        assert "connection lost" not in events.text
    assert start(http, 1)["items"][0]["client_id"] == ids["sim-001"], "with the same key it is the same client"
    assert http.delete("/api/demo-clients").status_code == 204
    assert not http.get("/api/demo-clients").json()["items"]


def test_a_process_that_is_killed_is_started_again_and_its_clients_are_back(dashboard: Dashboard) -> None:
    http = dashboard.http
    first = start(http, 2)["items"]
    ids = {one["id"] for one in online(http, 2)}
    assert http.delete("/api/demo-clients/2").status_code == 204
    online(http, 1)
    os.kill(first[0]["pid"], signal.SIGKILL)
    told = wait_until(lambda: http.get("/api/demo-clients").json()["ended"])
    assert told[0].startswith("sim-001 to sim-002 was killed by signal 9 and is started again: ")
    assert told[0] in get_page(http, "/clients").text
    wait_until(lambda: http.get("/api/demo-clients").json()["items"][0]["pid"] != first[0]["pid"])
    assert {one["id"] for one in online(http, 1)} == ids, "the client that was stopped stays so"


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_no_simulated_client_outlives_its_dashboard(meadow: Meadow, how: str) -> None:
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        pids = {one["pid"] for one in start(http, 2, processes=2)["items"]}
        online(http, 2)
    if how == "kill":
        meadow.kill()
    else:
        assert meadow.interrupt(5) == 0
        assert all(is_gone(pid) for pid in pids)
    wait_until(lambda: all(is_gone(pid) for pid in pids), 5, "the end of the processes")
    files = {path.name: path.stat().st_mode & 0o777 for path in (meadow.data_dir / "demo").iterdir()}
    assert files == dict.fromkeys(("secret", "sim-001.log", "sim-002.log"), 0o600)


def test_a_process_that_ends_by_itself_is_told_with_its_last_line(dashboard: Dashboard) -> None:
    http = dashboard.http
    start(http, 1)
    client_id = online(http, 1)[0]["id"]
    http.post(f"/api/clients/{client_id}/revoke")
    ended = wait_until(lambda: http.get("/api/demo-clients").json()["ended"])
    assert len(ended) == 1
    assert ended[0].startswith("sim-001 exited with code 5: ")
    assert ended[0].endswith("this client was revoked")
    assert "demo" in waits(dashboard, dashboard.start_run())["actions"]
    block = get_page(http, "/").one("section", class_="block")
    assert block.one("p", class_="wrong").text == ended[0]
    assert ended[0] in get_page(http, f"/clients/{client_id}").one("section", aria_labelledby="events-h").text


def test_what_cannot_be_started_is_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "demo"
    folder.mkdir(parents=True)
    (folder / "secret").write_text("{}")
    with running(tmp_path, demo_clients=1000) as dashboard:
        http = dashboard.http
        for body in ({"count": 0}, {"count": 10_001}, {"count": True}, {"count": 1, "dataset": "cats"}, {},
                     {"count": 1, "processes": 17}, {"count": 899}):  # fmt: skip
            assert http.post("/api/demo-clients", json=body).status_code == 422, body
        for fields in ({"count": "0", "dataset": "digits"}, {"count": "1", "dataset": "cats"}, {}):
            answer = http.post("/demo-clients", data=fields)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8"), fields
        many = http.post("/api/demo-clients", json={"count": 1001, "dataset": "synthetic"})
        said = "Simulated clients running: 0 of at most 1,000. Stop some first."
        assert (many.status_code, many.json()["detail"]) == (409, said)
        one = http.post("/api/demo-clients", json={"count": 1})
        assert one.status_code == 409 and "is not a secret" in one.json()["detail"]
        assert http.get("/api/demo-clients").json()["items"] == []


def test_the_form_says_what_its_clients_take(dashboard: Dashboard) -> None:
    for query, words in (
    ("count=100&dataset=digits&processes=2", "Simulate 100 clients About 1.42\u202fGB of memory in 2 processes; "),
    ("count=1&dataset=synthetic&processes=2", "Simulate 1 client About 75.3\u202fMB of memory in 1 process; "),
    ("count=899&dataset=digits&processes=1", "Simulate 899 clients digits can be cut for at most 898 clients."),
    ("count=&dataset=digits&processes=1", "Simulate clients 1 to 1,000 clients in 1 to 16 processes can be started."),
    ("count=1&dataset=fashion_mnist&processes=400", "Simulate clients 1 to 1,000 clients in 1 to 16 processes"),
    ):  # fmt: skip
        assert words in parse(dashboard.http.get(f"/demo-clients/cost?{query}").text).text


def test_where_no_simulated_clients_are_allowed_none_are_offered(tmp_path: Path) -> None:
    with running(tmp_path, demo_clients=0) as dashboard:
        answer = dashboard.http.post("/api/demo-clients", json={"count": 1})
        assert (answer.status_code, "--demo-clients" in answer.json()["detail"]) == (409, True)
        assert not get_page(dashboard.http, "/").all("form", action="/demo-clients")


@pytest.mark.parametrize(("config", "dataset"), [
    ({}, "digits"), ({"network": "cnn"}, "digits"), ({"dataset": "mnist"}, None),
    ({"network": "synthetic", "dataset": "mnist"}, "synthetic"), ({"clients": [1, 2]}, None),
    ({"network": "custom", "initial_weights": "0" * 64}, None),
])  # fmt: skip
def test_what_a_simulated_client_must_hold_to_take_part(config: dict[str, Any], dataset: str | None) -> None:
    assert RunConfig(**config).demo_dataset == dataset


def test_only_a_run_that_would_ask_simulated_clients_offers_some(dashboard: Dashboard) -> None:
    others: dict[str, Any] = {"clients": dashboard.know_clients("site-a", "site-b")}
    for offered, config in ((False, others), (True, {"dataset": "mnist"})):
        run_id = dashboard.start_run(**config)
        assert ("demo" in waits(dashboard, run_id)["actions"]) is offered
        forms = get_page(dashboard.http, f"/runs/{run_id}").all("form", action="/demo-clients")
        assert [form.one("button").text for form in forms] == ["Simulate 2 clients"] * offered
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")


@pytest.mark.parametrize(("held", "count", "parts"), [
    ([], 2, [(0, 2), (1, 2)]), ([], 1, [(0, 2)]), ([], 4, [(0, 4), (1, 4), (2, 4), (3, 4)]),
    ([(0, 2)], 1, [(1, 2)]), ([(0, 5), (2, 5)], 2, [(1, 5), (3, 5)]), ([(0, 2), (1, 2)], 1, [(0, 2)]),
])  # fmt: skip
def test_a_simulated_client_takes_a_part_that_nobody_holds(held: Any, count: int, parts: Any) -> None:
    assert free_parts(held, count) == parts


def test_whoever_starts_simulated_clients_admits_them(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard:
        start(dashboard.http, 2)
        assert {one["state"] for one in online(dashboard.http, 2)} == {"online"}
