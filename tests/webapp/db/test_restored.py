"""An older state of the database takes its place under a running dashboard, as by a backup that is restored."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.at_work import at_work
from tests.support.dashboard import running
from tests.support.postgres import emptied, find
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow


def test_an_older_state_of_the_database_ends_the_dashboard_at_its_next_event(postgres: str, tmp_path: Path) -> None:
    url = emptied(postgres)
    with at_work(tmp_path, url) as (meadow, api, run_id):
        before = dumped(url)
        seen = api.run(run_id)["current_round"]
        wait_until(lambda: api.run(run_id)["current_round"] > seen)
        restore(url, before)
        assert meadow.wait(20) == 3
        assert "A backup of the database was restored under the running dashboard" in meadow.output
    with running(tmp_path / "again", database_url=url) as again:
        assert again.run(run_id)["state"] == "interrupted"


def test_an_idle_dashboard_notices_that_its_database_is_an_older_state(shared_url: str, tmp_path: Path) -> None:
    with running(tmp_path / "data", database_url=shared_url) as dashboard:
        run_id, database = dashboard.start_run(), dashboard.parts.database
        assert dashboard.http.post(f"/api/runs/{run_id}/stop").status_code == 202
        wait_until(lambda: dashboard.run(run_id)["state"] == "stopped")
        newest = database.newest_event_id
        if (name := database.engine.dialect.name) == "sqlite":
            with closing(sqlite3.connect(tmp_path / "elsewhere.db", isolation_level=None)) as other:
                other.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'run_events'")
        else:
            restore(shared_url, b"SELECT setval(pg_get_serial_sequence('run_events', 'id'), 1)")
        lock = dashboard.parts.instance_lock
        wait_until(lambda: lock.lost, what=f"{name}: event {newest} is missed")
        answer = dashboard.http.post("/api/runs", json={"network": "synthetic"})
        assert (answer.status_code, "was restored under" in answer.text) == (503, True)


def dumped(url: str) -> bytes:
    """Return the statements that make this state of a database again, in the place of another."""
    command = [find("pg_dump") or "pg_dump", "--clean", *place_of(url)]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def restore(url: str, statements: bytes) -> None:
    command = [find("psql") or "psql", "-q", "-1", "-v", "ON_ERROR_STOP=1", *place_of(url)]
    subprocess.run(command, input=statements, capture_output=True, check=True, timeout=60)


def place_of(url: str) -> list[str]:
    return ["-h", str(make_url(url).query["host"]), "-U", "meadow", "postgres"]
