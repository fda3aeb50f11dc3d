"""Synthetic work through the ClientApp: one array, no data set and no TensorFlow."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message

from federation.learning.client_app import build_work
from federation.progress import TaskCancelled, reporting_to
from federation.protocol.messages import Hello, Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard
from tests.support.learners import Progress, arrays, ask, digits, metrics, settings
from tests.support.light_client import Answer, LightClient, honest
from tests.support.markup import get_both

pytestmark = pytest.mark.slow


def synthetic(phase: str = "train", partition: int = 0, server_round: int = 1, **run: Any) -> Message:
    config = settings(server_round, network="synthetic", dataset="synthetic", **run)
    weights = ArrayRecord({"w": Array(np.ones(config["synthetic_parameters"], np.float32))})
    return ask(build_work("synthetic", partition, 2), phase, weights, config)


def test_synthetic_work_changes_one_array_and_improves_with_the_rounds() -> None:
    config = settings(network="synthetic", dataset="synthetic", synthetic_parameters=5)
    said = {"layout": [("w", [5], "float32")], "samples": {"train": 10, "test": 10}}
    assert build_work("synthetic", 0, 2).prepare(config) == said
    replies = [synthetic(synthetic_parameters=5, server_round=number) for number in (1, 2, 1)]
    first, second, again = (arrays(reply)["w"].numpy() for reply in replies)
    assert first.shape == (5,)
    assert first.dtype == np.float32
    assert 0 < np.abs(first - 1).max() <= 0.01
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, arrays(synthetic(synthetic_parameters=5, partition=1))["w"].numpy())
    losses, accuracies = ([metrics(reply)[name] for reply in replies[:2]] for name in ("loss", "accuracy"))
    assert losses[1] < losses[0]
    assert 0 < accuracies[0] < accuracies[1] < 1
    assert metrics(synthetic("evaluate"))["num-examples"] == 10


def test_a_client_with_a_data_set_does_synthetic_work_too() -> None:
    config = settings(network="synthetic", synthetic_parameters=5)
    weights = ArrayRecord({"w": Array(np.ones(5, np.float32))})
    moved = arrays(ask(digits(), "train", weights, config))["w"].numpy()
    assert np.array_equal(moved, arrays(synthetic(synthetic_parameters=5))["w"].numpy())
    assert digits().prepare(config) == {"layout": [("w", [5], "float32")]}, "of its data it says nothing here"


def test_a_synthetic_run_does_not_change_the_known_data_of_a_client(dashboard: Dashboard) -> None:
    class Holder(LightClient):
        """Sends the hello and the prepare answers of a real client with a partition of the digits."""

        work = build_work("digits", 0, 2, share_labels=True)

        def hello(self, nonce: str, pending: list[str] | None = None) -> Hello:
            return super().hello(nonce, pending).model_copy(update={"data": self.work.data})

    def prepares(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = Answer(num_examples=None, data=Holder.work.prepare(task.config))
        return said if task.phase == "prepare" else honest(task, weights, layout)

    def older(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        empty = {"samples": {"train": 10, "test": 10}, "input_shape": [], "classes": 0}
        return Answer(num_examples=None, data=empty) if task.phase == "prepare" else honest(task, weights, layout)

    with dashboard.stage() as stage:
        holder = Holder(dashboard.flower_address, "holder", prepares)
        stage.do(holder.run())
        dashboard.wait_for_clients(1)
        stage.add("older", older, dataset="digits")
        dashboard.wait_for_clients(2)
        dashboard.wait_for_state(dashboard.start_run(num_rounds=1), "completed")
        known = dashboard.wait_for_clients(2)[0]
        assert (known["dataset"], known["samples"]) == ("digits", 899)
        form = "/runs/new?dataset=digits&network=mlp"
        eligible = get_both(dashboard.http, form, "start-sum").one("ul", aria_labelledby="eligible-h")
        assert [one.one("a").text for one in eligible.all("li")] == ["holder", "older"], "a client of no shape has none"


def test_long_synthetic_work_reports_and_is_cancelled() -> None:
    progress = Progress(cancel_after=2)
    with reporting_to(progress), pytest.raises(TaskCancelled):
        synthetic(synthetic_seconds=3600)
    assert progress.batches == [(1, 72_000), (2, 72_000)]


def test_synthetic_work_imports_neither_tensorflow_nor_scikit_learn() -> None:
    program = (
        "import sys; from federation.learning.client_app import build_work; "
        "from tests.federation.learning import test_synthetic_app as t; "
        "t.synthetic(); t.synthetic('evaluate'); build_work('digits', 0, 2); "
        "print([m for m in ('tensorflow', 'keras', 'sklearn') if m in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert child.stdout.strip() == "[]"
