"""The database goes away and comes back: what is asked meanwhile is answered in words, and nothing is lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.support.books import done
from tests.support.dashboard import Dashboard, read_events, running
from tests.support.http import LOCAL
from tests.support.markup import get_page
from tests.support.postgres import Postgres, postgres_server
from tests.support.processes import wait_until
from webapp.db.instance_lock import take_database
from webapp.lock_file import DataInUse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

READS = (
    "/",
    "/runs",
    "/runs/1",
    "/clients",
    "/server",
    "/api/runs",
    "/api/runs/1",
    "/api/clients",
    "/api/runs/1/rounds",
)


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres_server() as started:
        yield started


@contextmanager
def listening(dashboard: Dashboard, run_id: int) -> Iterator[list[int]]:
    """Hear a run's events, and connect again from the last one whenever the stream ends; give the rounds told."""
    rounds: list[int] = []
    over = threading.Event()

    def listen() -> None:
        last = "0"
        while not over.is_set():
            try:
                path = f"/api/runs/{run_id}/events?after={last}"
                with httpx.stream("GET", f"{dashboard.http.base_url}{path}", **LOCAL, timeout=20) as answer:
                    if answer.status_code == 204:
                        return
                    for event in read_events(answer.iter_lines()):
                        last = event["id"] or last
                        if event["event"] == "round":
                            rounds.append(event["data"]["round"])
            except httpx.HTTPError:
                pass
            over.wait(0.1)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield rounds
    finally:
        over.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_postgres_that_is_restarted_in_mid_run_loses_and_doubles_nothing(
    server: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "unused.lock"
    with running(tmp_path, database_url=server.url) as dashboard, dashboard.stage() as stage:
        for name in "ab":
            stage.add(name)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=300)
        with listening(dashboard, run_id) as told:
            wait_until(lambda: len(told) > 3)
            server.stop()
            for path in READS:
                answer = dashboard.http.get(path)
                assert answer.status_code == 503, path
                assert "The database cannot be reached: its server is down" in answer.text, path
                assert "disk" not in answer.text
            assert dashboard.http.get("/api/runs").headers["content-type"] == "application/problem+json"
            assert get_page(dashboard.http, "/runs", 503).one("main").all("a"), "the page leads on"
            assert dashboard.http.post("/api/runs", json={"network": "synthetic"}).status_code == 503
            assert dashboard.http.get("/api/events").status_code == 200, "a stream ends, and is asked for again"
            assert dashboard.http.get("/healthz").status_code == 200
            assert dashboard.http.get("/readyz").status_code == 503
            metrics = dashboard.http.get("/metrics")
            assert metrics.status_code == 200 and "\nmeadow_database_up 0.0\n" in metrics.text
            assert "\nmeadow_database_failures_total 0.0\n" not in metrics.text
            stage.add("c")
            wait_until(lambda: "the client tries again" in caplog.text)
            server.start()
            assert dashboard.wait_for_state(run_id, "completed", "failed", "interrupted")["state"] == "completed"
            wait_until(lambda: told[-1] == 300)
        assert dashboard.rounds(run_id) == list(range(301))
        assert told == sorted(set(told)), "no round is told twice"
        with pytest.raises(DataInUse):
            take_database(server.url, lock)
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


def test_the_lock_of_an_idle_dashboard_is_taken_again_when_the_server_is_back(server: Postgres, tmp_path: Path) -> None:
    first = take_database(server.url, tmp_path / "unused.lock")
    server.stop()
    server.start()
    engine = create_engine(server.url)
    with engine.connect() as connection:
        locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        wait_until(lambda: connection.scalar(locks), 15, "the lock is taken again")
    engine.dispose()
    with pytest.raises(DataInUse):
        take_database(server.url, tmp_path / "unused.lock")
    assert first.lost is None
    first.close()


def test_a_file_that_cannot_be_opened_is_told_as_such(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard:
        run_id = dashboard.start_run()
        dashboard.parts.runs.record(done(run_id, 0, loss=1.0))
        dashboard.parts.database.close()
        folder, away = tmp_path / "data", tmp_path / "away"
        folder.rename(away)
        try:
            answer = dashboard.http.get("/api/runs")
        finally:
            away.rename(folder)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.json()["detail"] == "The database cannot be used: its file cannot be read or written."
        assert dashboard.http.get("/api/runs").status_code == 200
