"""The dashboard's process dies, is stopped, is asked for the same thing twice; the clients are real processes."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.faults.conftest import Join
from tests.support.dashboard import Api
from tests.support.http import LOCAL
from tests.support.processes import Meadow, wait_until
from tests.webapp.test_process import reading

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def at_once(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Make the calls in threads that start together; return the answers."""
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], httpx.Response]) -> httpx.Response:
        barrier.wait(10)
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def training(api: Api, run_id: int) -> list[int]:
    """Return the clients that have been asked to train for a run and are at it."""
    clients = [one for one in api.http.get("/api/clients").json()["items"] if one["progress"]]
    return [
        one["id"] for one in clients
        if (one["progress"]["run_id"], one["progress"]["phase"]) == (run_id, "train") and one["task"] != "sent"
    ]  # fmt: skip


def test_a_dashboard_killed_in_round_4_of_10_is_resumed_with_every_round_once(
    meadow: Meadow, api: Api, join: Join
) -> None:
    clients = [join(meadow.flower_address, name) for name in ("site-a", "site-b")]
    ids = {one["name"]: one["id"] for one in api.wait_for_clients(2)}
    run_id = api.start_run(num_rounds=10, synthetic_seconds=0.5)
    wait_until(lambda: api.run(run_id)["current_round"] == 3, what="round 4 is under way")
    before = [item for item in api.http.get(f"/api/runs/{run_id}/rounds").json()["items"] if item["round"] <= 3]
    wait_until(lambda: len(training(api, run_id)) == 2, 2, what="clients train")
    killed_in = api.run(run_id)["current_round"] + 1
    meadow.restart()
    back = time.monotonic()

    run = api.run(run_id)
    assert (run["state"], run["current_round"], run["num_rounds"]) == ("interrupted", killed_in - 1, 10)
    assert run["reason"] == (
        f"The server was restarted: {killed_in - 1} of 10 rounds are saved, round {killed_in} is lost."
    )
    assert {one["name"]: one["id"] for one in api.wait_for_clients(2)} == ids
    assert time.monotonic() - back < 10
    assert [client.running.poll() for client in clients] == [None, None], "a client did not outlive the server"

    assert api.http.post(f"/api/runs/{run_id}/resume").status_code == 202
    assert api.wait_for_state(run_id, "completed", "failed", timeout=40)["state"] == "completed"
    rounds = api.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert [item["round"] for item in rounds] == list(range(11))
    assert rounds[: len(before)] == before, "a committed round changed"
    for client_id in (None, *ids.values()):
        points = api.http.get(f"/api/runs/{run_id}/metrics?name=loss&phase=evaluate").json()["items"]
        assert [p["round"] for p in points if p["client_id"] == client_id] == list(range(11))
    assert all("Traceback" not in client.output for client in clients)


def test_two_starts_and_five_stops_at_once_and_ctrl_c_while_clients_train(meadow: Meadow, api: Api, join: Join) -> None:
    clients = [join(meadow.flower_address, name) for name in ("site-a", "site-b")]
    api.wait_for_clients(2)
    body = {"network": "synthetic", "dataset": "synthetic", "synthetic_seconds": 60.0, "num_rounds": 3}
    answers = at_once(*[lambda: httpx.post(f"{meadow.url}/api/runs", json=body, **LOCAL)] * 2)
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = sorted(answer.json()["id"] for answer in answers)
    api.wait_for_state(first, "running")
    assert api.run(second)["state"] == "queued"
    wait_until(lambda: len(training(api, first)) == 2, what="clients train")

    stop = f"{meadow.url}/api/runs/{first}/stop"
    asked = time.monotonic()
    answers = at_once(*[lambda: httpx.post(stop, **LOCAL, timeout=10)] * 5)
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert 202 in {answer.status_code for answer in answers}
    api.wait_for_state(first, "stopped", timeout=2)
    assert time.monotonic() - asked < 2
    moves: list[dict[str, Any]] = [
        event["data"] for event in api.stream(f"/api/runs/{first}/events?after=0", lambda events: False)
    ]
    assert [m["state"] for m in moves if m.get("from") and m["state"] in ("stopping", "stopped")] == [
        "stopping", "stopped"
    ]  # fmt: skip
    assert api.rounds(first) == [0]

    api.wait_for_state(second, "running", timeout=5)
    wait_until(lambda: len(training(api, second)) == 2, 5, what="the same clients train for the next run")
    wait_until(lambda: any(one["task"] == "training" for one in api.http.get("/api/clients").json()["items"]), 5,
               what="the first run's batch loop was abandoned")  # fmt: skip
    with reading(f"{meadow.url}/api/runs/{second}/events?after=0", 3) as ends:
        meadow.running.send_signal(signal.SIGINT)
        assert meadow.wait(5) == 0
    assert ends == ["whole"] * 3
    assert not list(meadow.data_dir.glob("meadow.db-wal")), "the database was not closed clean"
    assert [client.running.poll() for client in clients] == [None, None]
    meadow.start()
    assert api.run(second)["state"] == "interrupted"
    for client in clients:
        assert client.interrupt(3) == 0
