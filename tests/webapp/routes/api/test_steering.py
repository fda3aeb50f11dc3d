"""Steering over the API: what each call answers, what it leaves in the database, what it refuses."""

from typing import Any

from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, Stage, honest
from tests.support.processes import wait_until


def join_two(stage: Stage, dashboard: Dashboard, **more: Any) -> None:
    for name in "ab":
        stage.add(name, **more)
    dashboard.wait_for_clients(2)


def post(dashboard: Dashboard, path: str, status: int = 202, body: Any = None) -> dict[str, Any]:
    answer = dashboard.http.post(path, json=body) if body is not None else dashboard.http.post(path)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def rounds_of(dashboard: Dashboard, run_id: int) -> list[int]:
    return [item["round"] for item in dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"]]


def test_pause_continue_and_stop(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        join_two(stage, dashboard)
        run_id = dashboard.start_run(num_rounds=50_000)
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 2)
        assert post(dashboard, f"/api/runs/{run_id}/pause")["state"] in ("running", "paused")
        paused = dashboard.wait_for_state(run_id, "paused")
        assert paused["blocked_on"]["kind"] == "paused"
        assert paused["blocked_on"]["actions"] == ["continue", "stop"]
        assert post(dashboard, f"/api/runs/{run_id}/pause", 409)["status"] == 409
        post(dashboard, f"/api/runs/{run_id}/continue")
        at = paused["current_round"]
        wait_until(lambda: dashboard.run(run_id)["current_round"] > at)
        assert post(dashboard, f"/api/runs/{run_id}/continue", 409)["detail"].endswith(
            "only a paused run can be continued."
        )
        post(dashboard, f"/api/runs/{run_id}/stop")
        stopped = dashboard.wait_for_state(run_id, "stopped")
        assert not stopped["pausing"]
        asked = dashboard.http.get(f"/api/runs/{run_id}/metrics?name=loss&phase=evaluate").json()["items"]
        assert {item["round"] for item in asked} == set(range(stopped["current_round"] + 1))


def test_a_stopped_run_is_resumed_under_its_id_and_a_completed_one_gets_more_rounds(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        join_two(stage, dashboard)
        run_id = dashboard.start_run(num_rounds=400)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 3)
        post(dashboard, f"/api/runs/{run_id}/stop")
        at = dashboard.wait_for_state(run_id, "stopped")["current_round"]
        assert at < 400
        assert post(dashboard, f"/api/runs/{run_id}/resume")["id"] == run_id
        assert dashboard.wait_for_state(run_id, "completed", timeout=60)["current_round"] == 400
        assert rounds_of(dashboard, run_id) == list(range(401))
        assert dashboard.http.post(f"/api/runs/{run_id}/archive").json()["archived_at"]
        refused = post(dashboard, f"/api/runs/{run_id}/resume", 409)
        assert (
            refused["detail"]
            == f"Run {run_id} is completed: only an interrupted, stopped or failed run can be resumed, "
            "or one that a stop rule has ended."
        )
        post(dashboard, f"/api/runs/{run_id}/rounds", body={"add": 3})
        longer = dashboard.wait_for_state(run_id, "completed")
        assert longer["num_rounds"] == longer["config"]["num_rounds"] == 403
        assert longer["archived_at"] is None, "a run that goes on is in the list again"
        assert rounds_of(dashboard, run_id) == list(range(404))
        assert post(dashboard, f"/api/runs/{run_id}/rounds", 422, {"add": 0})["errors"][0]["field"] == "add"


def test_a_resumed_run_that_is_cancelled_in_the_queue_keeps_its_rounds_and_can_go_on(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        join_two(stage, dashboard)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
        other = dashboard.start_run(num_rounds=50_000)
        post(dashboard, f"/api/runs/{run_id}/rounds", body={"add": 2})
        assert post(dashboard, f"/api/runs/{run_id}/stop")["state"] == "cancelled"
        assert "Cancelled in the queue after" in dashboard.http.get(f"/runs/{run_id}").text
        post(dashboard, f"/api/runs/{run_id}/resume")
        post(dashboard, f"/api/runs/{other}/stop")
        assert dashboard.wait_for_state(run_id, "completed")["current_round"] == 4
        assert rounds_of(dashboard, run_id) == list(range(5))

        never = dashboard.start_run(min_clients=9)
        behind = dashboard.start_run()
        assert post(dashboard, f"/api/runs/{behind}/stop")["state"] == "cancelled"
        for what, body in (("resume", None), ("rounds", {"add": 2})):
            assert "is cancelled" in post(dashboard, f"/api/runs/{behind}/{what}", 409, body)["detail"]
        post(dashboard, f"/api/runs/{never}/stop")


def test_a_client_is_left_out_and_let_in_again(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        join_two(stage, dashboard)
        third = stage.add("c")
        third_id = next(c["id"] for c in dashboard.wait_for_clients(3) if c["name"] == "c")
        run_id = dashboard.start_run(num_rounds=50_000)
        wait_until(lambda: third.tasks)
        assert post(dashboard, f"/api/runs/{run_id}/exclude", body={"client_id": third_id})["excluded"] == [third_id]
        silent_since = dashboard.run(run_id)["current_round"] + 3
        wait_until(lambda: dashboard.run(run_id)["current_round"] > silent_since)
        asked = len(third.tasks)
        wait_until(lambda: dashboard.run(run_id)["current_round"] > silent_since + 5)
        assert len(third.tasks) == asked
        assert post(dashboard, f"/api/runs/{run_id}/include", body={"client_id": third_id})["excluded"] == []
        wait_until(lambda: len(third.tasks) > asked)
        assert "client 999" in post(dashboard, f"/api/runs/{run_id}/exclude", 404, {"client_id": 999})["detail"]
        post(dashboard, f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")


def test_a_strategy_that_needs_more_clients_is_refused_at_the_start_with_the_number(dashboard: Dashboard) -> None:
    answer = dashboard.http.post("/api/runs", json={"strategy": "Krum", "strategy_options": {"num_malicious_nodes": 1}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "min_clients"
    assert "needs 5 clients" in answer.text
    unknown = dashboard.http.post("/api/runs", json={"strategy_options": {"eta": 1}})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "strategy_options")


def test_three_refusals_put_a_client_aside_in_the_database_too(dashboard: Dashboard) -> None:
    def bad(task: Any, weights: bytes | None, layout: Any) -> Answer:
        return honest(task, weights, layout) if task.phase != "train" else Answer(weights, num_examples=-1)

    with dashboard.stage() as stage:
        join_two(stage, dashboard)
        stage.add("bad", bad)
        bad_id = next(c["id"] for c in dashboard.wait_for_clients(3) if c["name"] == "bad")
        run_id = dashboard.start_run(num_rounds=10)
        assert dashboard.wait_for_state(run_id, "completed")["excluded"] == [bad_id]
    items = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    refused = [r["round"] for r in items for one in r["refusals"] if one["client_id"] == bad_id]
    assert refused == [1, 2, 3]
