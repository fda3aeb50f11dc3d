"""What a round takes in memory, beside what the start form says and Start refuses."""

import gc
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from federation.aggregation.strategy import RunStrategy
from federation.run.config import RunConfig
from federation.run.strategies import STRATEGIES, models_in_memory
from federation.server.flower import identify_process
from federation.weights.layout import Layout

PARAMETERS, UPDATES = 200_000, 10
MODEL_BYTES = 4 * PARAMETERS


@pytest.fixture
def traced() -> Iterator[None]:
    identify_process(1)
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_round_takes_what_is_said_of_its_strategy(name: str, traced: None) -> None:
    layout = Layout.of(["all"], [np.zeros(PARAMETERS, np.float32)])
    config = RunConfig.model_validate({"strategy": name, "min_clients": UPDATES, "seed": 1})
    aggregation = RunStrategy(config, layout).begin_round(1, bytearray(MODEL_BYTES), range(1, UPDATES + 1))
    for number in range(1, UPDATES + 1):
        update = np.random.default_rng(number).random(PARAMETERS, dtype=np.float32).tobytes()
        aggregation.add(number, layout.flats(update), 10, {"loss": 0.5})
    weights, _ = aggregation.aggregate()
    _, peak = tracemalloc.get_traced_memory()
    assert len(weights) == MODEL_BYTES
    said = models_in_memory(name, UPDATES, norm_rule="off", is_share_capped=False)
    assert peak / MODEL_BYTES <= said * 1.1
    assert peak / MODEL_BYTES >= said / 2


def test_a_check_of_the_whole_round_keeps_its_updates_and_clipping_copies_them() -> None:
    said = [
        models_in_memory("FedAvg", 50, norm_rule=rule, is_share_capped=capped)
        for rule, capped in (("off", False), ("off", True), ("reject", False), ("clip", False))
    ]
    assert said == [4, 54, 54, 104]
