"""Another program holds the write lock of the database for seconds: what needs no write does not wait for it."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from federation.run.config import RunConfig
from federation.run.states import RunState
from tests.support.dashboard import SYNTHETIC, Api, Dashboard, finished_run, running
from tests.support.http import LOCAL
from tests.support.light_client import Stage
from tests.support.processes import Meadow, wait_until
from tests.support.run_invariants import check_moves

PROMPT_SECONDS = 4.0
"""What does not wait for the lock takes less; the lock is held for longer than all checks take."""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("slow")) as running_:
        yield running_


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the database's write lock, as a commit does that takes long."""
    other = sqlite3.connect(data_dir / "meadow.db", isolation_level=None, timeout=20)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def seconds(dashboard: Dashboard, method: str, path: str, *allowed: int) -> float:
    """Ask, and return how long the answer took."""
    began = time.monotonic()
    answer = dashboard.http.request(method, path)
    assert answer.status_code in allowed, answer.text
    return time.monotonic() - began


def test_a_slow_commit_delays_no_page_no_stop_and_no_client(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        light = stage.add("site-a")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=100_000, min_clients=1)
        queued = dashboard.start_run()
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 2, what="rounds are committed")
        control = dashboard.parts.supervisor.control(run_id)
        assert control is not None
        with locked(dashboard.parts.settings.data_dir):
            pages = ["/", f"/runs/{run_id}", "/clients", f"/api/runs/{run_id}", "/api/clients", "/healthz"]
            assert max(seconds(dashboard, "GET", page, 200) for page in pages) < PROMPT_SECONDS
            assert seconds(dashboard, "POST", f"/api/runs/{queued}/stop", 202) < PROMPT_SECONDS
            assert seconds(dashboard, "POST", f"/api/runs/{run_id}/stop", 202) < PROMPT_SECONDS
            assert control.stopping
            stage.do(light.socket.close())
            again = stage.add("site-a", key=light.key)
            wait_until(lambda: again.welcome, PROMPT_SECONDS, "a known client connects again")
        dashboard.wait_for_state(run_id, "stopped", timeout=5)
        dashboard.wait_for_state(queued, "cancelled", timeout=5)
        assert not dashboard.parts.supervisor.active_run_ids
        check_moves(dashboard.parts, run_id)
        once_more = dashboard.start_run(num_rounds=1, min_clients=1)
        dashboard.wait_for_state(once_more, "completed")


def test_many_writers_that_wait_leave_room_for_readers(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    with ThreadPoolExecutor(50) as pool:
        with locked(dashboard.parts.settings.data_dir):
            writes = [
                pool.submit(dashboard.http.post, f"/api/runs/{run_id}/note", json={"note": "x"}) for _ in range(50)
            ]
            assert seconds(dashboard, "GET", "/api/runs", 200) < PROMPT_SECONDS
        answers = [write.result().status_code for write in writes]
        assert set(answers) == {200, 503} and answers.count(200) >= 10


def test_rounds_added_while_a_run_is_being_completed_are_done(dashboard: Dashboard) -> None:
    """The run has read how many rounds it has; the move to its end has not been stored."""
    runs, reached, released = dashboard.parts.runs, threading.Event(), threading.Event()
    read = runs.read_num_rounds

    def slow(run_id: int) -> int:
        count = read(run_id)
        reached.set()
        assert released.wait(10)
        return count

    with dashboard.stage() as stage, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "read_num_rounds", slow)
        stage.add("site-a")
        run_id = runs.create(RunConfig(**SYNTHETIC, num_rounds=1, min_clients=1)).id  # type: ignore[arg-type]
        assert reached.wait(10)
        control = dashboard.parts.supervisor.control(run_id)
        assert control is not None
        dashboard.parts.steering.add_rounds(run_id, 2)
        control.num_rounds = 1  # as if it had not been told
        released.set()
        wait_until(lambda: runs.show(run_id).current_round == 3, what="the added rounds")
        wait_until(lambda: runs.show(run_id).state == RunState.COMPLETED)


def test_a_dashboard_whose_database_is_locked_ends_within_ten_seconds(meadow: Meadow) -> None:
    api = Api(httpx.Client(base_url=meadow.url, **LOCAL, timeout=20))
    with api.http, Stage(meadow.flower_address) as stage:
        stage.add("a")
        api.wait_for_clients(1)
        run_id = api.start_run(num_rounds=100_000, min_clients=1)
        api.wait_for_state(run_id, "running")
        with locked(meadow.data_dir):
            assert meadow.interrupt(10) == 0
        meadow.start()
        assert api.run(run_id)["state"] == "interrupted"
