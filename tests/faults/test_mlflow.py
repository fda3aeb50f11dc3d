"""MLflow takes a request and the dashboard is killed before it knows: each round is there once all the same."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Api
from tests.support.light_client import Answer, Stage, honest
from tests.support.mlflow_server import MlflowServer, mlflow_server
from tests.support.processes import Meadow, make_meadow, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def mlflow() -> Iterator[MlflowServer]:
    with mlflow_server() as started:
        yield started


@pytest.fixture
def meadow(tmp_path: Path, mlflow: MlflowServer) -> Iterator[Meadow]:
    made = make_meadow(tmp_path, "--mlflow-url", mlflow.url, "--auto-resume", "--demo-clients", "0", preloaded=True)
    made.start()
    yield made
    made.kill()


def slowly(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    return replace(honest(task, weights, layout), delay_seconds=0.02)


def test_every_round_arrives_once_after_kill_9_in_the_middle_of_a_request(meadow: Meadow, mlflow: MlflowServer) -> None:
    with httpx.Client(base_url=meadow.url, trust_env=False, timeout=20) as http:
        api = Api(http)
        with Stage(meadow.flower_address) as stage:
            for count, name in enumerate(("site-a", "site-b"), 1):
                stage.add(name, slowly)
                api.wait_for_clients(count)
            run_id = api.start_run(num_rounds=100)
            path = f"/api/runs/{run_id}/mlflow"
            wait_until(lambda: http.get(path).json().get("sent_round", -1) > 0)
            mlflow.holds = {"runs/log-batch"}
            assert mlflow.held.wait(20), "MLflow has stored what it was sent, and does not answer"
            meadow.kill()
        mlflow.holds = set()
        mlflow.down()
        stored = len(mlflow.parents()[0].steps("evaluate_loss"))
        meadow.start()
        assert http.get(path).json()["sent_round"] + 1 < stored < 101
        with Stage(meadow.flower_address) as stage:
            for name in ("site-c", "site-d"):
                stage.add(name)
            wait_until(lambda: http.get(path).json()["state"] == "failing")
            page = http.get(f"/runs/{run_id}").text
            server = http.get("/server").text
            mlflow.up()
            api.wait_for_state(run_id, "completed", timeout=60)
            wait_until(lambda: mlflow.parents()[0].status == "FINISHED", 60)
            wait_until(lambda: http.get(path).json()["state"] == "sent")
        shown = http.get(path).json()
        assert f'href="{shown["url"]}"' in http.get(f"/runs/{run_id}").text
        text = http.get("/metrics").text
    (parent,) = mlflow.parents()
    assert shown["sent_round"] == 100
    assert parent.steps("evaluate_loss") == list(range(101)) and parent.repeated() == []
    assert set(mlflow.children()) == {"site-a", "site-b", "site-c", "site-d"}
    assert all(child.repeated() == [] for child in mlflow.children().values())
    trained = [step for child in mlflow.children().values() for step in child.steps("train_loss")]
    assert sorted(trained) == sorted([*range(1, 101)] * 2)
    assert "The last try failed: it does not answer" in page and "failing: it does not answer" in server
    assert 'meadow_mlflow_runs{state="sent"} 1.0' in text
