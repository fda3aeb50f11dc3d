"""Apps written as Flower's quickstarts are run unchanged, with the node config that they read."""

import io
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest
from typer import BadParameter

from federation.client.__main__ import parse_node_config
from tests.conftest import StartClient
from tests.federation.client.test_own_model import ended
from tests.support.http import LOCAL
from tests.support.processes import Meadow, wait_until


def test_quickstarts_for_sklearn_and_pytorch_learn_in_runs(meadow: Meadow, client: StartClient) -> None:
    weights, bias = np.zeros((2, 4)), np.zeros(2)
    shapes: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any], str]] = {
        "sklearn": ([weights, bias], {}, {"penalty": "l2", "local-epochs": 5}, "evaluate_accuracy"),
        "torch": ([], {"fc.weight": weights, "fc.bias": bias}, {"local-epochs": 5, "lr": 0.5}, "evaluate_eval_acc"),
    }
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        for shape in shapes:
            for part in range(2):
                given = ["--partition", str(part), "--partitions", "2"]
                if shape == "torch":
                    given = ["--node-config", f'partition-id={part} num-partitions=2 site="north ward"']
                app = f"tests.support.quickstarts.{shape}_app:app"
                client(meadow.flower_address, f"{shape}-{part}", "--app", app, *given)
        wait_until(lambda: len(http.get("/api/clients").json()["items"]) == 4, 30)
        assert {one["data"]["partition"] for one in http.get("/api/clients").json()["items"]} == {0, 1}
        for shape, (plain, named, options, metric) in shapes.items():
            with io.BytesIO() as file:
                np.savez(file, *plain, **named)
                kept = http.post("/api/weights", files={"file": file.getvalue()}).json()["id"]
            body = {"network": "custom", "initial_weights": kept, "num_rounds": 3, "app_config": options,
                    "clients": [f"{shape}-0", f"{shape}-1"]}  # fmt: skip
            run_id = http.post("/api/runs", json=body).json()["id"]
            run = wait_until(partial(ended, http, run_id), 60)
            assert run["state"] == "completed", run
            assert run["last_metrics"][metric] > 0.9, run["last_metrics"]


def test_a_node_config_is_read_as_flower_reads_it() -> None:
    text = """ partition-id=0 num-partitions=10  site="north ward" rate=0.5 gpu=true name='a' """
    assert parse_node_config(text) == {
        "partition-id": 0, "num-partitions": 10, "site": "north ward", "rate": 0.5, "gpu": True, "name": "a"
    }  # fmt: skip
    assert parse_node_config("") == {}
    for bad in ("partition-id", "partition-id=", "a=north", "a=[1]", "a=1 a=2", 'a="open', "a=1,b=2", "a=2020-01-01"):
        with pytest.raises(BadParameter, match="is not a list such as"):
            parse_node_config(bad)
