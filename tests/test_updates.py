"""Updates that no strategy has a use for, one client against honest ones: refused in words, and the run goes on."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.events import ReplyRecorded
from federation.states import RunState
from federation.weights import Layout
from federation.wire import Task
from tests.engine import Engine, running_engine
from tests.puppet import Answer, Puppet, Stage, honest, shifted


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
def stage(engine: Engine) -> Iterator[Stage]:
    with Stage(engine.address) as started:
        for name in "ab":
            started.add(name, good)
        engine.wait_online(2)
        yield started


def good(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    return Answer(shifted(weights, 1.0)) if weights is not None else honest(task, weights, layout)


def reasons_of(engine: Engine, puppet: Puppet) -> list[tuple[str, str | None]]:
    client_id = engine.clients[puppet.public_key]
    found = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train" and r.client_id == client_id]
    return [(r.outcome, r.reason) for r in found]


@pytest.mark.parametrize("strategy", ["FedAvg", "FedYogi", "Bulyan"])
def test_weights_near_the_end_of_the_numbers_cost_their_client_and_not_the_run(
    engine: Engine, stage: Stage, strategy: str
) -> None:
    """Finite, but squared or summed they are not: the aggregate would be of no use, attempt after attempt."""
    stage.add("c", good)

    def huge(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(np.full(1000, 3e38, "<f4").tobytes()) if weights is not None else honest(task, weights, layout)

    puppet = stage.add("huge", huge)
    engine.wait_online(4)
    run_id = engine.start_run(num_rounds=2, strategy=strategy, min_clients=3)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED, engine.ledger.reasons
    assert reasons_of(engine, puppet) == [("refused", "1000 of 1000 values are too large to be averaged")] * 2


@pytest.mark.parametrize(("metrics", "says"), [
    ({}, "sends no loss, by which QFedAvg weighs clients"),
    ({"loss": math.nan}, "sends a loss of nan, by which QFedAvg cannot weigh it"),
    ({"loss": -1.0}, "sends a loss of -1, by which QFedAvg cannot weigh it"),
    ({"loss": 1e14}, "sends a loss of 1e+14, by which QFedAvg cannot weigh it"),
])  # fmt: skip
def test_a_loss_that_QFedAvg_cannot_weigh_costs_its_client_and_not_the_run(
    engine: Engine, stage: Stage, metrics: dict[str, Any], says: str
) -> None:
    def bad(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(weights, metrics) if weights is not None else honest(task, weights, layout)

    puppet = stage.add("bad", bad)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=2, strategy="QFedAvg", strategy_options={"q": 2.0})
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED, engine.ledger.reasons
    assert reasons_of(engine, puppet) == [("refused", says)] * 2
