"""What becomes of runs that another process of the dashboard left, ends, or records twice."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.books import done
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until
from webapp.db.database import Database
from webapp.db.repository.upkeep.retention import RetentionLimits
from webapp.operations.files.deletion import RunDeletion
from webapp.operations.recorder import Recorder
from webapp.operations.runs import Runs


def slow(task: Any, weights: bytes | None, layout: Any) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.05
    return answer


def post(dashboard: Dashboard, path: str) -> None:
    assert dashboard.http.post(path).status_code == 202


def started_at(dashboard: Dashboard, run_id: int) -> str:
    return str(dashboard.run(run_id)["started_at"])


def test_auto_resume_goes_on_with_what_was_left_and_then_with_all_that_waits(tmp_path: Path) -> None:
    """Also with what a start without it had held back."""
    with running(tmp_path) as first, first.stage() as stage:
        for name in "ab":
            stage.add(name, slow)
        first.wait_for_clients(2)
        left, waits = first.start_run(num_rounds=15), first.start_run(num_rounds=1)
        wait_until(lambda: first.run(left)["current_round"] >= 2)
    with running(tmp_path) as second:
        assert second.run(left)["state"] == "interrupted"
        assert second.run(waits)["blocked_on"]["kind"] == "held"
    with running(tmp_path, auto_resume=True) as third, third.stage() as stage:
        for name in "ab":
            stage.add(name, slow)
        assert third.wait_for_state(left, "completed", timeout=40)["current_round"] == 15
        third.wait_for_state(waits, "completed")
        assert third.rounds(left) == list(range(16))
        ended = third.run(left)["finished_at"]
        assert ended <= started_at(third, waits), "what was left goes first"


def test_a_run_that_a_person_paused_waits_for_that_person(tmp_path: Path) -> None:
    with running(tmp_path) as first, first.stage() as stage:
        for name in "ab":
            stage.add(name)
        first.wait_for_clients(2)
        paused = first.start_run(num_rounds=50_000)
        wait_until(lambda: first.run(paused)["current_round"] >= 1)
        post(first, f"/api/runs/{paused}/pause")
        first.wait_for_state(paused, "paused")
        waits = first.start_run(num_rounds=1)
    for _ in range(2):
        with running(tmp_path, auto_resume=True) as later, later.stage() as stage:
            for name in "ab":
                stage.add(name)
            later.wait_for_state(waits, "completed")
            run = later.run(paused)
            assert (run["state"], run["pausing"]) == ("interrupted", True)
    with running(tmp_path) as last, last.stage() as stage:
        for name in "ab":
            stage.add(name)
        post(last, f"/api/runs/{paused}/resume")
        wait_until(lambda: last.run(paused)["current_round"] > run["current_round"])
        assert not last.run(paused)["pausing"]
        post(last, f"/api/runs/{paused}/stop")
        last.wait_for_state(paused, "stopped")


def test_a_run_that_somebody_else_ended_stops_at_its_next_round_and_keeps_its_last_model(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    with dashboard.stage() as stage:
        for name in "ab":
            stage.add(name)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=10_000)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 4)
        other = Database(dashboard.parts.settings.sqlalchemy_url)
        deletion = RunDeletion(other, tmp_path, RetentionLimits())
        Runs(other, Recorder(other, lambda _: None), deletion, "evaluate_accuracy").restore()
        other.close()
        wait_until(lambda: not dashboard.parts.supervisor.active_run_ids, 10, "the end of the run's loop")
    run = dashboard.run(run_id)
    assert (run["state"], run["reason"][:25]) == ("interrupted", "The server was restarted:")
    last = run["current_round"]
    assert dashboard.rounds(run_id) == list(range(last + 1))
    kept = {int(path.name[6:12]) for path in (tmp_path / "data" / "runs" / str(run_id)).glob("round-*.weights")}
    assert last in kept and max(kept) <= last + 1, "it trained on"


def test_a_round_whose_commit_was_answered_by_nobody_counts_once(dashboard: Dashboard) -> None:
    runs = dashboard.parts.runs
    run_id = dashboard.start_run()
    runs.record(done(run_id, 0, loss=1.0))
    runs.record(done(run_id, 0, loss=1.0))
    assert dashboard.rounds(run_id) == [0]


def test_an_evaluation_that_is_stored_is_not_asked_for_again(dashboard: Dashboard) -> None:
    packed, runs = io.BytesIO(), dashboard.parts.runs
    np.savez(packed, w=np.zeros(1000, np.float32))
    upload = dashboard.http.post("/api/weights", files={"file": ("w.npz", packed.getvalue())}).json()["id"]
    run_id = dashboard.start_run(kind="evaluation", initial_weights=upload)
    dashboard.wait_for_state(run_id, "waiting")
    for _ in range(2):
        runs.record(replace(done(run_id, 0, loss=1.0), train_metrics={}, checkpoint=None))
    assert dashboard.rounds(run_id) == [0], "stored once, although nobody heard of it"
    post(dashboard, f"/api/runs/{run_id}/stop")
    dashboard.wait_for_state(run_id, "stopped")
    post(dashboard, f"/api/runs/{run_id}/resume")
    assert dashboard.wait_for_state(run_id, "completed")["last_metrics"] == {"evaluate_loss": 1.0}, "no client is there"
