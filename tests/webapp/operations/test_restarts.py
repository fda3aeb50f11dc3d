"""What a dashboard does at its start with the runs that the last one left: several processes' lives on one folder."""

from pathlib import Path
from typing import Any

from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until


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
