"""Runs of Flower Apps that know nothing of Meadow: their curves, logs and files, and how they end."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks.supernodes.nodes import StockNode
from tests.support.app_runs import approved, files_of, log_of, of_clients, processes_of, rounds_of, start
from tests.support.dashboard import Dashboard, named, running
from tests.support.flower_apps import stored
from tests.support.light_node import LightNode
from tests.support.markup import parse
from tests.support.migrated import lay_data
from tests.support.new_apps import files_in
from tests.support.processes import wait_until
from webapp.commands.certificates import main as make_certificates
from webapp.commands.new_app import write_app

pytestmark = pytest.mark.slow
SLEEPER = "import time; time.sleep(600)"
GIVEN = {
    "FLWR_HOME", "FLWR_TELEMETRY_ENABLED", "HOME", "LANG", "LC_CTYPE", "PATH", "TF_CPP_MIN_LOG_LEVEL", "TMPDIR",
    "GRPC_VERBOSITY", "BROWSER_USE_SETUP_LOGGING",
}  # fmt: skip
"""Variables of the environment that an app gets, or that flwr sets."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("apps")
    with running(
        folder, apps=True, demo_clients=0, app_disk_megabytes=8, app_processes=5, app_memory_megabytes=1500
    ) as dashboard:
        yield dashboard


@pytest.fixture(scope="module", autouse=True)
def clients(shared: Dashboard) -> Iterator[None]:
    """Two SuperNodes; one that ends is noticed only after its last poll."""
    with LightNode(shared.flower_address, partition=0), LightNode(shared.flower_address, partition=1):
        shared.wait_for_clients(2)
        yield


def test_a_quickstart_with_a_strategy_runs_unchanged_with_curves_log_and_files(shared: Dashboard) -> None:
    run_id = start(shared, "sklearn-digits", min_clients=3)
    waiting = shared.wait_for_state(run_id, "waiting")
    assert waiting["blocked_on"]["sentence"] == "2 of 3 SuperNodes online"
    assert shared.http.post(f"/api/runs/{run_id}/min_clients", json={"min_clients": 2}).status_code == 202
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=60)
    log = log_of(shared, run_id)
    assert (run["state"], run["current_round"], run["num_rounds"]) == ("completed", 3, 3), (run["reason"], log)
    told = [
        {name: round(float(value), 9) for name, value in re.findall(r"'(\w+)': ([0-9.]+)", line)}
        for line in log.splitlines() if "Aggregated MetricRecord" in line
    ]  # fmt: skip
    ours = [
        {name.removeprefix(f"{phase}_"): round(value, 9) for name, value in one["metrics"].items()
         if name.startswith(f"{phase}_")}
        for one in rounds_of(shared, run_id) for phase in ("train", "evaluate")
    ]  # fmt: skip
    assert len(told) == 6 and ours == told, "our means are those that the app's strategy aggregates"
    central = re.findall(r"─> MetricRecord: \{'loss': ([0-9.]+)", log)
    assert [one["metrics"]["server_loss"] for one in rounds_of(shared, run_id)] == [float(one) for one in central]
    series = shared.http.get(f"/api/runs/{run_id}/series", params={"phase": "evaluate", "metric": "accuracy"})
    assert series.status_code == 200
    kept = shared.http.get(f"/api/runs/{run_id}/model")
    with np.load(io.BytesIO(kept.content)) as model, np.load(files_of(shared, run_id).open("final_model.npz")) as saved:
        assert model.files == ["0", "1"] and all(np.array_equal(model[one], saved[f"arr_{one}"]) for one in model.files)
    for verb, body in (("pause", {}), ("resume", {}), ("rounds", {"add": 1})):
        assert "Flower App" in shared.http.post(f"/api/runs/{run_id}/{verb}", json=body).json()["detail"], verb
    assert shared.http.get(f"/api/runs/{run_id}/model?format=keras").status_code == 409
    page = shared.http.get(f"/runs/{run_id}").text
    assert "[ROUND 3/3]" in page and f"/api/runs/{run_id}/artifacts" in page and f"/runs/{run_id}/resume" not in page
    again = shared.http.get(f"/runs/new?from={run_id}", follow_redirects=True)
    assert again.status_code == 200 and 'action="/apps/' in again.text


def test_an_app_from_a_template_runs_as_a_fab(shared: Dashboard, tmp_path: Path) -> None:
    app = files_in(write_app("ward", "tabular", tmp_path))
    run_id = start(shared, app, app_config={"num-server-rounds": 2})
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=60)
    assert run["state"] == "completed", (run["reason"], log_of(shared, run_id))
    assert rounds_of(shared, run_id)[-1]["metrics"]["evaluate_accuracy"] > 0.9
    assert files_of(shared, run_id).namelist() == ["model.npz"]


def test_an_app_of_a_client_fn_and_a_server_fn_runs_unchanged_with_its_own_aggregated_metrics(
    shared: Dashboard,
) -> None:
    run_id = start(shared, "numpy-client")
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=60)
    log = log_of(shared, run_id)
    assert (run["state"], run["current_round"], run["num_rounds"]) == ("completed", 2, 2), (run["reason"], log)
    summary = re.sub(r"\nINFO :\s+", " ", log)  # its lines are cut
    losses, accuracies, central = (
        [float(value) for value in re.findall(r"\(\d+, ([0-9.]+)\)", values)]
        for values in re.findall(r"'\w+': \[(.*?)\]", summary)
    )
    assert [one["train_loss"] for one in of_clients(shared, run_id, "train")] == pytest.approx(losses)
    assert [one["accuracy"] for one in of_clients(shared, run_id, "evaluate")] == pytest.approx(accuracies)
    assert [one["accuracy"] for one in of_clients(shared, run_id, "server")] == central[1:]
    assert all(one["loss"] for phase in ("evaluate", "server") for one in of_clients(shared, run_id, phase))


@pytest.mark.parametrize(
    ("library", "name", "kept"),
    [("keras", "keras-table", "final_model.keras"), ("torch", "torch-table", "final_model.pt")],
)
def test_a_quickstart_of_a_framework_runs_unchanged_with_curves_and_its_model(
    shared: Dashboard, library: str, name: str, kept: str
) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    run_id = start(shared, name, app_config={"num-server-rounds": 1})
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=100)
    assert run["state"] == "completed", (run["reason"], log_of(shared, run_id))
    ((trained,), (evaluated,)) = (of_clients(shared, run_id, phase) for phase in ("train", "evaluate"))
    assert trained["train_loss"] and evaluated.keys() == {"eval_loss", "eval_acc"}
    assert files_of(shared, run_id).namelist() == [kept]


def test_an_app_with_a_loop_of_its_own_has_rounds_by_its_waves_and_names_a_client_that_failed(
    shared: Dashboard,
) -> None:
    run_id = start(shared, "own-loop")
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=60)
    rounds = rounds_of(shared, run_id)
    assert run["state"] == "completed", (run["reason"], log_of(shared, run_id))
    assert "deliberate" in run["reason"]
    assert [one["metrics"].get("train_loss") for one in rounds] == [None, 1.0, 0.5, 1 / 3]
    assert rounds[0]["metrics"] | {} == {
        "train_warmup/a/loss": 4.0, "train_warmup/b/loss": None, "train_warmup/c/norms[0]": 1.0,
        "train_warmup/c/norms[1]": 2.0,
    }  # fmt: skip
    assert [(one["outcome"], "deliberate" in one["reason"]) for one in rounds[2]["failures"]] == [("failed", True)]
    assert all(one["seconds"] >= one["train_seconds"] > 0 for one in rounds)


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("fork", {}, "it started more than 5 processes"),
        ("disk", {}, "it wrote more than 8,388,608 bytes"),
        ("memory", {}, "it used more than 1,572,864,000 bytes of memory"),
        ("exit", {}, "exited with code 7 before the app had ended"),
        ("sleep", {"round_timeout_seconds": 1}, "it sent no message and got no answer for 1 s"),
        ("compute", {"stop_seconds": 1}, "its time limit is 1 s"),
    ],
)
def test_an_app_that_goes_wrong_is_ended_with_all_its_processes_and_the_reason(
    shared: Dashboard, what: str, options: dict[str, Any], says: str
) -> None:
    run_id = start(shared, "hostile", 1, app_config={"what": what}, **options)
    run = shared.wait_for_state(run_id, "failed", "completed", timeout=60)
    assert run["state"] == "failed" and says in run["reason"], (run["reason"], log_of(shared, run_id))
    folder = str(shared.parts.settings.runs_dir / str(run_id))
    assert not processes_of(folder) and not processes_of(SLEEPER)
    assert shared.http.get("/readyz").status_code == 200


def test_a_computing_app_is_stopped_at_once_and_its_port_takes_ten_paths_and_one_token(shared: Dashboard) -> None:
    run_id = start(shared, "hostile", 1, app_config={"what": "compute"})
    wait_until(lambda: "begins" in log_of(shared, run_id), 30, "the app's first line")
    folder = str(shared.parts.settings.runs_dir / str(run_id))
    # One that it is about to start has its command line for a moment.
    (process,) = wait_until(lambda: found if len(found := processes_of(folder)) == 1 else [], 10, "one process")
    arguments = process.cmdline()
    assert not any(re.search(r"[0-9a-f]{32}", one) for one in arguments), "the token is in no list of processes"
    address = arguments[arguments.index("--runtime-api-address") + 1]
    assert address.startswith("127.0.0.1:")
    with httpx.Client(base_url=f"http://{address}/v1/runtime", trust_env=False) as port:
        for path in ("acquire-task", "create-task", "get-connector", "start-automation"):
            assert port.post(path, content=b"").status_code == 404, path
        for token in ({}, {"flwr-task-token": "0" * 32}):
            assert port.post("get-nodes", content=b"", headers=token).status_code == 401
    assert shared.http.post(f"/api/runs/{run_id}/stop").status_code == 202
    assert shared.wait_for_state(run_id, "stopped", timeout=8)["stopped_by"] == "local"
    wait_until(lambda: not process.is_running(), 5, "the end of the process")


def test_an_app_gets_nothing_of_the_dashboards_environment_and_its_links_are_no_artifacts(
    shared: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    secret = shared.parts.settings.data_dir / "secret"
    secret.write_text("of the dashboard")
    run_id = start(shared, "hostile", 1, app_config={"target": str(secret)})
    run = shared.wait_for_state(run_id, "completed", "failed", timeout=60)
    log = log_of(shared, run_id)
    assert run["state"] == "completed", (run["reason"], log)
    seen = re.search(r"environment \[(.*)\]", log)
    assert seen and set(re.findall(r"'(\w+)'", seen[1])) & os.environ.keys() <= GIVEN
    assert "folder []" in log
    files = files_of(shared, run_id)
    assert files.namelist() == ["own file"] and files.read("own file") == b"mine"
    model = shared.http.get(f"/api/runs/{run_id}/model")
    assert model.status_code == 404 and "no model of the app" in model.json()["detail"]
    folder = shared.parts.settings.runs_dir / str(run_id) / "app"
    assert not list(folder.glob("token*")) and os.stat(folder).st_mode & 0o077 == 0


def test_an_app_that_is_not_approved_or_has_no_such_setting_does_not_start(shared: Dashboard) -> None:
    app = approved(shared, stored("failing"))
    config = {"network": "app", "app": app["hash"], "min_clients": 1}
    assert named(shared.http.post("/api/runs", json=config | {"app_config": {"epochs": 1}}), 422) == {"settings"}
    assert named(shared.http.post("/api/runs", json=config | {"app": "0" * 64}), 409) == set()
    run_id, queued = start(shared, "failing", 1), start(shared, "failing", 1)
    wait_until(lambda: "about to fail" in log_of(shared, run_id), 30, "the app's first line")
    assert shared.http.post(f"/api/apps/{app['id']}/withdraw").status_code == 200
    first, second = (shared.wait_for_state(one, "failed", timeout=60) for one in (run_id, queued))
    assert first["reason"] == "ServerApp failed with exception: no model for this table"
    assert "lab/failing 1.0.0" in second["reason"] and "is withdrawn" in second["reason"]


def test_a_stock_supernode_that_is_killed_in_mid_message_gets_the_message_again_and_the_app_one_reply(
    tmp_path: Path,
) -> None:
    make_certificates(["--data-dir", str(lay_data(tmp_path / "data"))])
    with running(tmp_path, apps=True, demo_clients=0, tls="flower") as dashboard:
        authority, at_work = tmp_path / "data" / "tls" / "ca.pem", tmp_path / "at work"
        trusted = tmp_path / "trusted.yaml"
        trusted.write_text(parse(dashboard.http.get("/apps").text).one("code", id="trusted-entity").text)
        node = StockNode(tmp_path / "node", dashboard.flower_address, 0, 1, authority, trusted)
        node.start()
        try:
            run_id = start(dashboard, "own-loop", 1, app_config={"steps": 1, "hangs-once": str(at_work)})
            wait_until(at_work.exists, 100, "the ClientApp is at work")
            node.kill()
            node.start()
            run = dashboard.wait_for_state(run_id, "completed", "failed", timeout=100)
        finally:
            node.end()
        assert run["state"] == "completed", (run["reason"], log_of(dashboard, run_id))
        assert [one["metrics"].get("train_loss") for one in rounds_of(dashboard, run_id)] == [None, 1.0]
        assert "step 1 [False]" in log_of(dashboard, run_id), "one reply, which is no error"
