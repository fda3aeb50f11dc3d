"""Schedules and rounds without evaluation, from the configuration to clients, database, pages and CSV."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.books import Books, done
from tests.support.dashboard import running
from tests.support.markup import parse


def test_a_round_has_the_values_of_its_schedules_and_every_third_is_evaluated(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        clients = [stage.add(name, app="examples.app:app") for name in "abcd"]
        dashboard.wait_for_clients(4)
        packed = io.BytesIO()
        np.savez(packed, w=np.zeros(3, np.float32))
        weights = dashboard.http.post("/api/weights", files={"file": packed.getvalue()}).json()["id"]
        run_id = dashboard.start_run(
            network="custom", dataset="digits", initial_weights=weights, num_rounds=7, learning_rate=0.1,
            local_epochs=4, learning_rate_schedule="step 2 0.5", local_epochs_schedule="cosine 1",
            fraction_train_schedule="1, 0.5", evaluate_every=3,
        )  # fmt: skip
        run = dashboard.wait_for_state(run_id, "completed")
        tasks = [task for client in clients for task in client.tasks if task.phase == "train"]
        rates = {task.round: (task.config["learning_rate"], task.config["local_epochs"]) for task in tasks}
        assert rates == {
            1: (0.1, 4), 2: (0.1, 4), 3: (0.05, 3), 4: (0.05, 2), 5: (0.025, 2), 6: (0.025, 1), 7: (0.0125, 1),
        }  # fmt: skip
        assert [sum(task.round == number for task in tasks) for number in (1, 2, 7)] == [4, 2, 2]
        assert not any("schedule" in name for task in tasks for name in task.config)
        evaluated = {task.round for client in clients for task in client.tasks if task.phase == "evaluate"}
        assert evaluated == {0, 3, 6, 7}, "the initial weights, every third round, and the last one"

        rounds = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
        assert [one["metrics"].get("train_learning_rate") for one in rounds[:4]] == [None, 0.1, 0.1, 0.05]
        assert ["evaluate_accuracy" in one["metrics"] for one in rounds] == [n in evaluated for n in range(8)]
        assert "3,train,,,learning_rate,0.05" in dashboard.http.get(f"/api/runs/{run_id}/metrics.csv").text
        assert run["best_metrics"]["evaluate_accuracy"]["round"] == 7
        series = dashboard.http.get(f"/api/runs/{run_id}/series?metric=accuracy&phase=evaluate").json()["items"][0]
        assert series["rounds"] == [0, 3, 6, 7], "the curve leads from one evaluation to the next"
        bars = parse(dashboard.http.get(f"/runs/{run_id}").text).one("svg", class_="round-bars").all("rect")
        heights = [float(bar["height"] or 0) for bar in bars]
        assert heights == [20.0, 20.0, 32.0, 32.0, 32.0, 35.0, 35.6], "as tall as the last evaluation"
        table = parse(dashboard.http.get(f"/runs/{run_id}").text).one("section", id="rounds")
        assert (
            "learning rate 0.0125, local epochs 1, clients sampled per round 50" in table.one("tr", id="round-7").text
        )


def test_figures_of_the_last_evaluation_stay_until_the_next_one(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path)
    run_id = books.start_run(num_rounds=9, evaluate_every=3)
    books.play_round(run_id, 0, (), accuracy=0.5)
    books.runs.record(replace(done(run_id, 1, loss=2.0), evaluate_metrics={}, is_evaluated=False))
    run = books.runs.show(run_id)
    assert run.last_metrics == {"evaluate_accuracy": 0.5, "train_loss": 2.0}
    books.close()


def test_the_form_shows_the_values_of_a_schedule_before_the_start(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard:
        query = "num_rounds=9&learning_rate=0.1&learning_rate_schedule=step+4+0.5&evaluate_every=3"
        page = parse(dashboard.http.get(f"/runs/new?{query}").text).one("div", id="start-sum").text
        values = "0.1 in round 1, 0.1 in round 3, 0.05 in round 5, 0.05 in round 7, 0.025 in round 9"
        assert f"Learning rate {values}" in page
        wrong = parse(dashboard.http.post("/runs", data={"learning_rate_schedule": "step often"}).text)
        assert "step ROUNDS FACTOR" in wrong.one("small", id="learning_rate_schedule-error").text
