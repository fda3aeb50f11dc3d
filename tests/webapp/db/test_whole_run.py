"""A whole run of a federation on either database: rounds, metrics, events and files are the same."""

from pathlib import Path

from tests.support.dashboard import finished_run, running


def test_a_whole_run_is_kept_in_either_database(database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url=database_url, demo_clients=0) as dashboard:
        run_id = finished_run(dashboard, num_rounds=3)
        events = dashboard.stream(f"/api/runs/{run_id}/events?after=0", lambda _: False)
        committed = [one["data"]["round"] for one in events if one["event"] == "round" and one["data"]["committed"]]
        assert committed == dashboard.rounds(run_id) == [0, 1, 2, 3]
        assert dashboard.http.get(f"/api/runs/{run_id}/model").status_code == 200
        metrics = dashboard.http.get(f"/api/runs/{run_id}/metrics.csv").text
        assert len(metrics.splitlines()) > 12
        body = {"kind": "evaluation", "evaluated_run": run_id}
        first, second = (dashboard.http.post("/api/runs", json=body).json() for _ in range(2))
        copy = dashboard.parts.settings.data_dir / "networks" / f"upload-{first['config']['initial_weights']}.weights"
        for one in (first, second):
            assert copy.is_file(), "both evaluate the same copy, which the second one keeps"
            assert dashboard.http.get(f"/api/runs/{one['id']}/confusion").status_code == 404
            assert dashboard.http.post(f"/api/runs/{one['id']}/stop").status_code == 202
            dashboard.wait_for_state(one["id"], "stopped", "cancelled")
            assert dashboard.http.delete(f"/api/runs/{one['id']}").status_code == 204
        assert not copy.exists()
    with running(tmp_path, database_url=database_url, demo_clients=0) as restarted:
        assert restarted.run(run_id)["state"] == "completed"
        assert restarted.http.get(f"/api/runs/{run_id}/metrics.csv").text == metrics
