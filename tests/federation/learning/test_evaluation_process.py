"""What the process of the evaluation at the server computes: the metrics of weights on a published test split."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from federation.evaluation.child import COMMAND
from federation.learning.data.catalogue import TEST_SAMPLES
from federation.learning.data.datasets import load
from federation.learning.networks.building import build, layout_of
from federation.learning.spec import published_spec
from federation.learning.training.trainer import Trainer, Training
from federation.run.config import RunConfig
from federation.run.networks import TEST_SPLITS
from federation.weights.layout import Layout
from federation.weights.records import record_of
from tests.support.small_data import lay_mnist

pytestmark = pytest.mark.slow


def test_the_metrics_are_those_of_the_network_on_the_whole_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(TEST_SPLITS) == set(TEST_SAMPLES)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    lay_mnist(tmp_path / "datasets", test=33)
    model = build("mlp", published_spec("mnist"))
    layout, arrays = layout_of(model), model.get_weights()
    config = RunConfig(dataset="mnist").for_clients()
    request = {"config": config, "layout": layout.to_json()}
    whole = layout.pack(arrays)
    other = Layout.of(["w"], [np.zeros(3, np.float32)])
    asked = [(request, whole), (request | {"layout": other.to_json()}, other.pack([np.zeros(3, np.float32)]))]
    sent = b"".join(json.dumps({**head, "bytes": len(body)}).encode() + b"\n" + body for head, body in asked)
    done = subprocess.run([sys.executable, *COMMAND[1:]], input=sent, capture_output=True, timeout=120, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    trainer, data = Trainer(Training.of(config)), load("mnist")
    trainer.load(record_of((entry.name, array) for entry, array in zip(layout.entries, arrays, strict=True)))
    assert data.test is not None
    expected = trainer.evaluate(data.test.subset(np.arange(33), data.scale))
    assert (first["samples"], first["metrics"]) == (33, expected)
    confusion = np.array(first["confusion"])
    assert confusion.sum(axis=1).tolist() == np.bincount(data.test.labels, minlength=10).tolist()
    assert confusion.trace() == round(first["metrics"]["accuracy"] * 33)
    assert "mlp: the server sends 1 arrays" in second["error"]
