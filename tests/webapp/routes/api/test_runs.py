"""Runs over the REST API: from a request to trained weights, the queue, stopping, deleting and finding."""

import hashlib
import io
import threading
from typing import Any

import numpy as np
import pytest

from tests.support.dashboard import Dashboard, named
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until

SLOW = {"num_rounds": 1000, "min_clients": 1}


def test_a_run_goes_from_a_request_to_trained_weights(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(name="First", num_rounds=3)
        run = dashboard.wait_for_state(run_id, "completed")

    assert (run["name"], run["current_round"], run["num_rounds"]) == ("First", 3, 3)
    assert run["last_metrics"]["evaluate_accuracy"] == pytest.approx(0.8)
    assert run["best_metrics"]["evaluate_loss"] == {"value": pytest.approx(0.25), "round": 3, "clients": 2}
    assert run["elapsed_seconds"] > 0
    assert run["finished_at"] > run["started_at"] >= run["created_at"]

    rounds = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()
    assert [(one["round"], one["replies"]) for one in rounds["items"]] == [
        (0, {"evaluate": 2}), *((number, {"train": 2, "evaluate": 2}) for number in (1, 2, 3)),
    ]  # fmt: skip
    assert rounds["total"] == 4
    assert rounds["items"][1]["bytes_down"] == 2 * 4000
    later = dashboard.http.get(f"/api/runs/{run_id}/rounds", params={"after": 1, "limit": 1}).json()
    assert [one["round"] for one in later["items"]] == [2]

    answer = dashboard.http.get(f"/api/runs/{run_id}/model")
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{run_id}-round-3.npz"'
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as model:
        assert [(name, model[name].shape, model[name].dtype) for name in model.files] == [("w", (1000,), np.float32)]
        checkpoint = (dashboard.parts.settings.runs_dir / str(run_id)).glob("*")
        weights = hashlib.sha256(model["w"].tobytes()).hexdigest()
    assert weights in {hashlib.sha256(file.read_bytes()).hexdigest() for file in checkpoint}


def test_refusals_and_failures_stand_on_their_round_with_client_and_reason(dashboard: Dashboard) -> None:
    def breaks(task: Any, weights: bytes | None, layout: Any) -> Answer:
        if task.phase == "train" and task.round == 1:
            return Answer(error="out of memory")
        return honest(task, weights, layout)

    def sends_nan(task: Any, weights: bytes | None, layout: Any) -> Answer:
        answer = honest(task, weights, layout)
        if task.phase == "train":
            answer.weights = np.full(1000, np.nan, "<f4").tobytes()
        return answer

    with dashboard.stage() as stage:
        stage.add("honest-a")
        stage.add("breaks", breaks)
        stage.add("sends-nan", sends_nan)
        dashboard.wait_for_clients(3)
        run_id = dashboard.start_run(num_rounds=1, min_clients=1)
        dashboard.wait_for_state(run_id, "completed")

    row = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"][1]
    assert row["replies"]["train"] == 1
    assert [(one["client"], one["phase"]) for one in row["refusals"]] == [("sends-nan", "train")]
    assert "finite" in row["refusals"][0]["reason"]
    assert [(one["client"], one["outcome"], one["reason"]) for one in row["failures"]] == [
        ("breaks", "failed", "out of memory")
    ]


def test_one_run_is_active_and_the_next_starts_when_it_is_stopped(dashboard: Dashboard) -> None:
    first, second, third = (dashboard.start_run(**SLOW) for _ in range(3))
    assert dashboard.run(first)["state"] == "waiting"
    assert [dashboard.run(run_id)["queue_position"] for run_id in (first, second, third)] == [None, 1, 2]
    assert dashboard.http.post(f"/api/runs/{second}/stop").json()["state"] == "cancelled"
    assert dashboard.http.post(f"/api/runs/{first}/stop").status_code == 202
    assert dashboard.wait_for_state(first, "stopped", timeout=5)["finished_at"]
    dashboard.wait_for_state(third, "waiting")


def test_two_who_start_at_once_both_get_a_run(dashboard: Dashboard) -> None:
    ids = together(2, lambda: dashboard.start_run(**SLOW))
    assert sorted(dashboard.run(run_id)["state"] for run_id in ids) == ["queued", "waiting"]


def test_five_who_stop_at_once_make_one_move_and_see_no_error(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        run_id = dashboard.start_run(**SLOW)
        dashboard.wait_for_state(run_id, "running")
        answers = together(5, lambda: dashboard.http.post(f"/api/runs/{run_id}/stop").status_code)
        # Who comes when all is over is told so.
        assert set(answers) <= {202, 409}
        assert 202 in answers
        dashboard.wait_for_state(run_id, "stopped", timeout=5)
    events = dashboard.stream(f"/api/runs/{run_id}/events", lambda _: False)
    states = [event["data"]["state"] for event in events if event["event"] == "run"]
    assert (states.count("stopping"), states.count("stopped")) == (1, 1)
    assert named(dashboard.http.post(f"/api/runs/{run_id}/stop"), 409) == set()


def together(count: int, act: Any) -> list[Any]:
    """Do the same from several threads at one moment; return what each got."""
    barrier, results = threading.Barrier(count), list[Any]()

    def one() -> None:
        barrier.wait(10)
        results.append(act())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == count
    return results


def test_an_active_run_is_not_deleted_and_an_ended_one_goes_whole(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        run_id = dashboard.start_run(num_rounds=1000, min_clients=1, synthetic_seconds=0.01)
        dashboard.wait_for_state(run_id, "running")
        assert named(dashboard.http.delete(f"/api/runs/{run_id}"), 409) == set()
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped", timeout=5)
    folder = dashboard.parts.settings.runs_dir / str(run_id)
    assert folder.exists()
    assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204
    wait_until(lambda: not folder.exists(), what="the folder is deleted")
    for path in ("", "/rounds", "/metrics", "/metrics.csv", "/model", "/events"):
        named(dashboard.http.get(f"/api/runs/{run_id}{path}"), 404)
    assert dashboard.start_run(**SLOW) == run_id + 1, "the id of a deleted run does not come back"


def test_runs_are_found_by_state_word_and_number(dashboard: Dashboard) -> None:
    ids = [dashboard.start_run(name=name, **SLOW) for name in ("Ward tablets", "Ward 100%", "Two labs")]
    dashboard.http.post(f"/api/runs/{ids[1]}/stop")

    def found(**query: Any) -> tuple[list[int], int]:
        answer = dashboard.http.get("/api/runs", params=query)
        assert answer.status_code == 200, answer.text
        return [run["id"] for run in answer.json()["items"]], answer.json()["total"]

    assert found() == (ids[::-1], 3)
    assert found(limit=1, offset=1) == ([ids[1]], 3)
    assert found(state="cancelled") == ([ids[1]], 1)
    assert found(state=["waiting", "queued"]) == ([ids[2], ids[0]], 2)
    assert found(q="ward") == ([ids[1], ids[0]], 2)
    assert found(q="100%") == ([ids[1]], 1)
    assert found(q="%") == ([ids[1]], 1)
    assert found(q=f"#{ids[2]}") == ([ids[2]], 1)
    assert found(q="nothing like it") == ([], 0)


def test_a_run_without_a_round_has_no_model_yet(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run(**SLOW)
    answer = dashboard.http.get(f"/api/runs/{run_id}/model")
    assert named(answer, 404) == set()
    assert "no round is completed" in answer.json()["detail"]


def test_health_and_readiness(dashboard: Dashboard) -> None:
    assert dashboard.http.get("/healthz").json() == {"status": "alive"}
    assert (dashboard.http.head("/healthz").status_code, dashboard.http.head("/readyz").content) == (200, b"")
    assert dashboard.http.get("/readyz").json() == {"ready": True, "reasons": []}
    dashboard.parts.flower.stop()
    answer = dashboard.http.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["The Flower server is not running."])
    assert dashboard.http.get("/healthz").status_code == 200
