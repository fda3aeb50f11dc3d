"""A run that the server evaluates on a test split: its metrics in API, CSV, pages, best round and export.

The clients are light ones; initial weights and evaluations are Keras's, over a small MNIST.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import adds
from tests.support.markup import get_both
from tests.support.small_data import lay_mnist

pytestmark = pytest.mark.slow

CONFIG: dict[str, Any] = {"network": "mlp", "dataset": "mnist", "server_evaluation": "test_split", "seed": 3}
TEST_SAMPLES = 50


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = Path(tmp_path_factory.mktemp("evaluated"))
    lay_mnist(folder / "keras" / "datasets", test=TEST_SAMPLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(folder / "keras"))
        with running(folder, best_metric="server_accuracy", keep_checkpoints=1) as made:
            yield made


def points(dashboard: Dashboard, run_id: int) -> dict[tuple[int, str], float]:
    items = dashboard.http.get(f"/api/runs/{run_id}/metrics?phase=server").json()["items"]
    assert all(item["client_id"] is None for item in items)
    return {(item["round"], item["name"]): item["value"] for item in items}


def test_every_round_has_the_metrics_of_the_server_also_after_a_kill_and_a_resume(dashboard: Dashboard) -> None:
    evaluator = dashboard.parts.supervisor.evaluator
    with dashboard.stage() as stage:
        for count, name in enumerate(("site-a", "site-b"), 1):
            stage.add(name, adds(0.05), dataset="mnist")
            dashboard.wait_for_clients(count)
        run_id = dashboard.start_run(num_rounds=2, **CONFIG)
        run = dashboard.wait_for_state(run_id, "completed", timeout=120)
        assert run["last_metrics"]["server_accuracy"] == points(dashboard, run_id)[2, "accuracy"], "with its last round"
        told = dashboard.stream(f"/api/runs/{run_id}/events?after=0", lambda _: False)
        waits = [wait for event in told if (wait := event["data"].get("blocked_on"))]
        assert any(wait["sentence"].startswith("The server evaluates round") for wait in waits), waits
        assert evaluator.pid is not None
        os.kill(evaluator.pid, signal.SIGKILL)
        assert dashboard.http.post(f"/api/runs/{run_id}/rounds", json={"add": 2}).status_code < 300
        run = dashboard.wait_for_state(run_id, "completed", timeout=120)
        watched = {**CONFIG, "stop_metric": "server_accuracy", "stop_target": 0.0}
        ended = dashboard.wait_for_state(dashboard.start_run(num_rounds=5000, **watched), "completed", timeout=120)
        assert ended["stop_rule"] == "target" and ended["current_round"] < 5000
        assert ended["reason"].startswith("Target reached: server_accuracy ")
    found = points(dashboard, run_id)
    assert set(found) == {(number, name) for number in range(5) for name in ("accuracy", "loss")}
    assert len({found[number, "loss"] for number in range(5)}) == 5, "each round's own weights"
    _is_told_everywhere(dashboard, run_id, run, found)
    _is_measured_by_a_run_without_clients(dashboard, run_id, found[4, "accuracy"])


def _is_told_everywhere(
    dashboard: Dashboard, run_id: int, run: dict[str, Any], found: dict[tuple[int, str], float]
) -> None:
    http = dashboard.http
    rounds = http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert [row["metrics"]["server_accuracy"] for row in rounds] == [found[number, "accuracy"] for number in range(5)]
    assert {row["samples"]["server"] for row in rounds} == {TEST_SAMPLES}
    curve = http.get(f"/api/runs/{run_id}/series?metric=loss").json()["items"][0]
    assert curve["server"] == {str(number): pytest.approx(found[number, "loss"], rel=1e-5) for number in range(5)}
    own = http.get(f"/api/runs/{run_id}/series?metric=loss&phase=server").json()["items"][0]
    assert own["samples"] == [TEST_SAMPLES] * 5 and own["data"] == "the mnist test split at the server"
    lines = http.get(f"/api/runs/{run_id}/metrics.csv").text.splitlines()
    assert [line.rsplit(",", 3)[1:] for line in lines if line.startswith("4,server,")] == [
        ["", str(TEST_SAMPLES), "the mnist test split at the server"]
    ] * 2
    best = run["best_metrics"]["server_accuracy"]
    assert best["value"] == max(found[number, "accuracy"] for number in range(1, 5))
    file = http.get(f"/api/runs/{run_id}/model?round=best")
    assert file.status_code == 200 and f"round-{best['round']}." in file.headers["content-disposition"]
    page = get_both(http, f"/runs/{run_id}", "run-page")
    assert f"in round 4, test split, n = {TEST_SAMPLES}" in page.one("section", id="charts").text
    assert "Server accuracy" in page.one("section", id="rounds").text
    confusion = http.get(f"/api/runs/{run_id}/confusion").json()
    assert (confusion["round"], confusion["samples"]) == (4, TEST_SAMPLES)
    assert [sum(row) for row in confusion["counts"]] == [5] * 10, "the labels of the small MNIST"
    correct = [row[place] for place, row in enumerate(confusion["counts"])]
    assert sum(correct) == round(found[4, "accuracy"] * TEST_SAMPLES)
    assert confusion["recalls"] == [count / 5 for count in correct]
    assert f"Test split at the server, round 4, n = {TEST_SAMPLES}" in page.one("section", id="confusion").text
    table = page.one("section", id="confusion").one("tbody").all("tr")
    assert [[int(cell.text) for cell in row.all("td")[1:]] for row in table] == confusion["counts"]
    packed = http.get(f"/api/runs/{run_id}/export", timeout=120)
    files = {"file": ("run.zip", packed.content, "application/zip")}
    imported = http.post("/api/runs/import", files=files)
    assert imported.status_code == 201, imported.text
    assert points(dashboard, imported.json()["id"]) == found


def _is_measured_by_a_run_without_clients(dashboard: Dashboard, run_id: int, accuracy: float) -> None:
    body = {"kind": "evaluation", "evaluated_run": run_id, "server_evaluation": "test_split"}
    evaluation = dashboard.http.post("/api/runs", json={**body, "client_evaluation": "off"}).json()["id"]
    run = dashboard.wait_for_state(evaluation, "completed", timeout=120)
    assert run["last_metrics"]["server_accuracy"] == accuracy, "no client is there"
    results = dashboard.http.get(f"/api/runs/{evaluation}/evaluation").json()
    assert results["clients"] == [] and results["at_server"]
    assert next(one for one in results["metrics"] if one["name"] == "accuracy")["server"] == accuracy
    page = get_both(dashboard.http, f"/runs/{evaluation}", "run-page")
    assert "Test split at the server" in page.one("section", id="results").text
    assert f"n = {TEST_SAMPLES}" in page.one("section", id="confusion").text


def test_a_run_without_a_published_test_split_is_refused(dashboard: Dashboard) -> None:
    for other in ({"dataset": "digits"}, {"network": "synthetic", "dataset": "synthetic"}):
        assert named(dashboard.http.post("/api/runs", json=CONFIG | other), 422) == {"server_evaluation"}
