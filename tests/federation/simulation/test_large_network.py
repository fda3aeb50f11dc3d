"""Two clients of one process train a Keras network of several megabytes, and its model is downloaded."""

import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.federation.client.test_own_model import ended
from tests.federation.simulation.conftest import Simulate, online
from tests.support.processes import wait_until
from tests.support.small_data import lay_cifar10


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_mobilenet_over_cifar10_runs_two_rounds_and_is_downloaded(
    http: httpx.Client, simulate: Simulate, tmp_path: Path
) -> None:
    """Weights of 9 MB are sent in several pieces; BatchNorm statistics are part of them."""
    folder = lay_cifar10(tmp_path / "keras" / "datasets" / "cifar-10-batches-py", batch=60)
    simulate(2, "--dataset", "cifar10", "--data-path", str(folder), KERAS_HOME=str(tmp_path / "keras"))
    wait_until(lambda: online(http, 2), 60)
    body = {"network": "mobilenet_v2", "dataset": "cifar10", "num_rounds": 2, "steps_per_epoch": 2, "seed": 1}
    run_id = http.post("/api/runs", json=body).json()["id"]
    run = wait_until(lambda: ended(http, run_id), 300)
    assert run["state"] == "completed", run
    rounds = http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert [one["round"] for one in rounds] == [0, 1, 2]
    assert all(one["replies"] == {"train": 2, "evaluate": 2} for one in rounds[1:])
    assert rounds[1]["bytes_up"] > 2 * 8_900_000
    plain = http.get(f"/api/runs/{run_id}/model").content
    made = http.get(f"/api/runs/{run_id}/model?format=keras", timeout=120).content
    with np.load(io.BytesIO(plain)) as arrays:
        assert len(arrays.files) == 262
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
        assert not np.allclose(arrays["bn_Conv1/moving_variance"], 1), "what BatchNorm saw was not sent"
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {"config.json", "model.weights.h5"} <= set(archive.namelist())
