"""The ClientApp of a person on SuperNodes: as a FAB, in Meadow's own runs, with what it keeps from round to round."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.supercore.fab import Fab
from flwr.supercore.primitives.asymmetric_ed25519 import create_message_to_sign, decode_base64url
from numpy.typing import NDArray

from tests.support.dashboard import Dashboard, named, running
from tests.support.flower_apps import folder_of, stored, zip_of
from tests.support.light_node import LightNode
from tests.support.markup import parse
from tests.support.processes import wait_until

CLIENT = """
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    calls = int(context.state["count"]["calls"]) + 1 if "count" in context.state else 1
    context.state["count"] = ConfigRecord({"calls": calls})
    step = np.float32(context.run_config["step"])
    moved = {name: Array(array.numpy() + step) for name, array in message.content["arrays"].items()}
    config = message.content["config"]
    metrics = {"num-examples": 10, "calls": calls, "round": config["server-round"], "other": config["other"]}
    return Message(RecordDict({"arrays": ArrayRecord(moved), "metrics": MetricRecord(metrics)}), reply_to=message)
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("apps"), apps=True, demo_clients=0) as started:
        yield started


def upload(dashboard: Dashboard, files: dict[str, bytes]) -> dict[str, object]:
    return dict(dashboard.http.post("/api/apps", files={"file": ("app.zip", zip_of(files))}).json())


def uploaded(dashboard: Dashboard, name: str) -> dict[str, object]:
    return upload(dashboard, folder_of(name, settings="step = 1.0\nunused = 3\n", client=CLIENT))


def weights(dashboard: Dashboard, *arrays: NDArray[Any]) -> str:
    with io.BytesIO() as file:
        np.savez(file, *arrays)
        return str(dashboard.http.post("/api/weights", files={"file": file.getvalue()}).json()["id"])


def model_of(dashboard: Dashboard, run_id: int) -> list[float]:
    answer = dashboard.http.get(f"/api/runs/{run_id}/model")
    with np.load(io.BytesIO(answer.content)) as arrays:
        return [float(arrays[name].mean()) for name in sorted(arrays.files)]


def assert_signed(fab: Fab, name: str, public_key: str) -> None:
    """Check a signature as a SuperNode does that was started with --trusted-entities."""
    said = json.loads(fab.verifications[name])
    signed = create_message_to_sign(hashlib.sha256(fab.content).digest(), said["signed_at"])
    key = load_ssh_public_key(public_key.encode())
    assert isinstance(key, Ed25519PublicKey) and fab.verifications["valid_license"]
    key.verify(decode_base64url(said["signature"]), signed)


def measured(dashboard: Dashboard, run_id: int, name: str) -> list[float | None]:
    rounds = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    return [one["metrics"].get(f"train_{name}") for one in rounds[1:]]


def test_supernodes_run_the_approved_app_of_a_run_which_keeps_its_state_over_rounds_and_a_resume(
    dashboard: Dashboard,
) -> None:
    app, other = uploaded(dashboard, "mine"), uploaded(dashboard, "other")
    kept = weights(dashboard, np.zeros(4, "float32"), np.ones((2, 2), "float32"))
    body = {"network": "custom", "initial_weights": kept, "num_rounds": 2, "min_clients": 2,
            "node_app": app["hash"], "app_config": {"step": 0.25, "other": 7}}  # fmt: skip
    refused = dashboard.http.post("/api/runs", json=body)
    assert named(refused, 422) == {"node_app"} and "No approved app" in refused.text
    for one in (app, other):
        assert dashboard.http.post(f"/api/apps/{one['id']}/approve").status_code == 200
    with LightNode(dashboard.flower_address) as node, LightNode(dashboard.flower_address, partition=1):
        wait_until(lambda: all(one["data"].get("runs_apps") for one in dashboard.wait_for_clients(2)))
        page = parse(dashboard.http.get("/runs/new?network=custom").text)
        assert "a SuperNode; the run names no app for SuperNodes" in page.one(id="start-sum").text
        offered = {one["value"]: one.text for one in page.one("select", id="node_app").all("option")}
        titles = {one["hash"]: f"lab/{one['name']} 1.0.0 ({str(one['hash'])[:8]})" for one in (other, app)}
        assert offered == {"": "none", **titles}
        run_id = dashboard.http.post("/api/runs", json=body).json()["id"]
        dashboard.wait_for_state(run_id, "completed")
        assert model_of(dashboard, run_id) == [0.5, 1.5], "the run's step counts, not the default of the app"
        between = dashboard.http.post("/api/runs", json=body | {"node_app": other["hash"]}).json()["id"]
        dashboard.wait_for_state(between, "completed")
        assert dashboard.http.post(f"/api/runs/{run_id}/rounds", json={"add": 1}).status_code == 202
        dashboard.wait_for_state(run_id, "completed")
        assert dashboard.http.post(f"/api/apps/{other['id']}/withdraw").status_code == 200
        assert dashboard.http.post(f"/api/runs/{between}/rounds", json={"add": 1}).status_code == 202
        dashboard.wait_for_state(between, "failed")
        tasks = parse(dashboard.http.get("/clients/1").text).one("section", aria_labelledby="tasks-h").text
        flower_runs = [run.fab_hash for run in node.runs.values()]
        entity = parse(dashboard.http.get("/apps").text).one("code", id="trusted-entity").text
    assert measured(dashboard, run_id, "calls") == [1, 2, 3], "it finds its state in another run of Flower's"
    assert measured(dashboard, between, "calls") == [1, 2], "the state of another run is another one"
    assert measured(dashboard, run_id, "round") == [1, 2, 3] and measured(dashboard, run_id, "other") == [7, 7, 7]
    assert f"lab/other 1.0.0 ({str(other['hash'])[:8]}) is withdrawn: an admin has to approve it first" in tasks
    for fab in node.fabs.values():
        assert_signed(fab, *entity.split(": "))
    assert flower_runs[1:] == [app["hash"], other["hash"], app["hash"]]


def test_supernodes_train_the_client_fn_of_an_approved_app_with_its_metrics(dashboard: Dashboard) -> None:
    app = upload(dashboard, stored("numpy-client"))
    assert dashboard.http.post(f"/api/apps/{app['id']}/approve").status_code == 200
    body = {"network": "custom", "initial_weights": weights(dashboard, np.zeros((2, 4)), np.zeros(2)),
            "num_rounds": 2, "min_clients": 2, "node_app": app["hash"],
            "app_config": {"learning-rate": 0.5, "local-epochs": 2, "layers": "8 4"}}  # fmt: skip
    with LightNode(dashboard.flower_address) as node, LightNode(dashboard.flower_address, partition=1):
        dashboard.wait_for_clients(2)
        run_id = dashboard.http.post("/api/runs", json=body).json()["id"]
        run = dashboard.wait_for_state(run_id, "completed", "failed")
        assert run["state"] == "completed" and run["last_metrics"]["evaluate_accuracy"] > 0.9, run
    losses = measured(dashboard, run_id, "train_loss")
    assert losses[0] and losses[1] and losses[1] < losses[0], losses
    assert {tuple(one.content) for one in node.seen if one.metadata.message_type == "train"} >= {
        ("fitins.parameters", "fitins.config")
    }
