"""Runs whose stored configuration another release wrote: they fail with a sentence, and hold up nobody."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboard import Dashboard, running
from webapp.db.database import Database
from webapp.db.repository.runs import get_run, set_values


def change_config(database: Database, run_id: int, change: dict[str, Any]) -> None:
    """Write fields into the stored configuration of a run, as another release would have stored them."""
    with database.write() as session:
        run = get_run(session, run_id)
        assert run is not None
        set_values(session, run_id, config=run.config | change)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"warm_up_rounds": 3}, "warm_up_rounds"),
    ({"strategy": "FedNova"}, "strategy"),
    ({"num_rounds": "many"}, "num_rounds"),
]


@pytest.mark.parametrize(("change", "field"), CHANGES)
def test_a_queued_run_of_another_release_fails_and_the_queue_goes_on(
    dashboard: Dashboard, change: dict[str, Any], field: str
) -> None:
    active, strange, behind = dashboard.start_run(), dashboard.start_run(), dashboard.start_run()
    change_config(dashboard.parts.database, strange, change)
    assert dashboard.http.post(f"/api/runs/{active}/stop").status_code == 202
    dashboard.wait_for_state(behind, "waiting")
    failed = dashboard.run(strange)
    assert failed["state"] == "failed" and field in failed["reason"], failed["reason"]
    answer = dashboard.http.post(f"/api/runs/{strange}/resume")
    assert answer.status_code == 409 and field in answer.json()["detail"]
    answer = dashboard.http.post(f"/api/runs/{strange}/rounds", json={"add": 1})
    assert answer.status_code == 409 and field in answer.json()["detail"]
    for page in (f"/runs/{strange}", "/runs", "/", f"/runs/new?from={strange}"):
        assert dashboard.http.get(page).status_code in (200, 303), page
    assert dashboard.http.delete(f"/api/runs/{strange}").status_code == 204


def test_a_new_run_is_started_behind_one_of_another_release(dashboard: Dashboard) -> None:
    active, strange = dashboard.start_run(), dashboard.start_run()
    change_config(dashboard.parts.database, strange, {"warm_up_rounds": 3})
    dashboard.http.post(f"/api/runs/{active}/stop")
    dashboard.wait_for_state(strange, "failed")
    assert dashboard.run(dashboard.start_run())["state"] in ("queued", "waiting")


def test_a_dashboard_starts_with_auto_resume_over_runs_of_another_release(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        left, waits = first.start_run(), first.start_run()
        for run_id in (left, waits):
            change_config(first.parts.database, run_id, {"warm_up_rounds": 3})
    with running(tmp_path, auto_resume=True) as second:
        for run_id in (left, waits):
            assert "warm_up_rounds" in second.wait_for_state(run_id, "failed")["reason"]
