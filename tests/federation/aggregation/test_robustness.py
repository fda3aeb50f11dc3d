"""The robustness rules: an update that is far larger than the others, and a client's share in the mean."""

import numpy as np
import pytest

from federation.aggregation.robustness import Update, apply_rules, update_norm
from federation.run.config import RunConfig
from federation.run.events import ReplyRecorded
from federation.run.states import RunState
from tests.support.engine import Engine
from tests.support.light_client import Stage, adds


def held(client: int, value: float, examples: int = 10) -> Update:
    return Update(client, {"float32": np.full(4, value, np.float32)}, examples, {}, examples)


BASE = {"float32": np.zeros(4, np.float32)}


def test_a_norm_is_that_of_the_update() -> None:
    assert update_norm({"float32": np.full(4, 3.0, np.float32)}, {"float32": np.ones(4, np.float32)}) == 4.0


def test_an_update_a_thousand_times_the_median_is_clipped_or_refused() -> None:
    replies = [held(1, 1.0), held(2, 1.0), held(3, 1000.0)]
    clipped = apply_rules(replies, BASE, RunConfig(norm_rule="clip", norm_limit=2.0))
    np.testing.assert_allclose(clipped[2].flats["float32"], 2.0, rtol=1e-6)
    assert clipped[2].remark == "its update has norm 2e+03, 2 times the round's median is 4: it was clipped"
    refused = apply_rules(replies, BASE, RunConfig(norm_rule="reject", norm_limit=2.0))
    assert [r.refusal is not None for r in refused] == [False, False, True]
    assert apply_rules(replies[1:], BASE, RunConfig(norm_rule="reject", norm_limit=2.0)) == replies[1:]
    assert apply_rules(replies, BASE, RunConfig()) == replies


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_largest_possible_update_is_clipped_to_finite_values(dtype: str) -> None:
    most = {"float16": 65504.0, "float32": 1e15, "float64": 1e150}[dtype]
    base = {dtype: np.full(4, -most / 2, dtype)}
    replies = [Update(i, {dtype: np.full(4, value, dtype)}, 10, {}, 10)
               for i, value in enumerate([-most / 4, -most / 4, most])]  # fmt: skip
    clipped = apply_rules(replies, base, RunConfig(norm_rule="clip", norm_limit=2.0))[2].flats[dtype]
    assert clipped.dtype == dtype
    np.testing.assert_allclose(clipped, 0.0, atol=most * 1e-3)


@pytest.mark.parametrize("rule", ["clip", "reject"])
def test_norms_are_not_checked_if_most_clients_return_the_weights_unchanged(rule: str) -> None:
    replies = [held(1, 0.0), held(2, 0.0), held(3, 1.0)]
    config = RunConfig.model_validate({"norm_rule": rule, "norm_limit": 2.0})
    assert apply_rules(replies, BASE, config) == replies


@pytest.mark.parametrize(("counts", "share", "expected"), [
    ([10, 10, 80], 0.5, [10, 10, 20]),
    ([10, 10, 10], 0.5, [10, 10, 10]),
    ([1, 1, 98], 0.2, [1, 1, 1]),
    ([100, 100, 10, 10], 0.3, [15, 15, 10, 10]),
    ([5, 7], 0.1, [5, 5]),
])  # fmt: skip
def test_no_client_weighs_more_than_its_share(counts: list[int], share: float, expected: list[int]) -> None:
    replies = [held(i, 1.0, n) for i, n in enumerate(counts)]
    judged = apply_rules(replies, BASE, RunConfig(max_weight_share=share))
    assert [r.weight for r in judged] == expected


def test_a_run_with_the_norm_check_records_why_an_update_was_refused(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, adds(0.01))
    stage.add("loud", adds(10.0))
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1, norm_rule="reject")) is RunState.COMPLETED
    trained = {r.client_id: r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"}
    loud = engine.clients[stage.clients[2].public_key]
    assert {c: r.outcome for c, r in trained.items()} == {c: "refused" if c == loud else "accepted" for c in trained}
    assert "times the round's median" in (trained[loud].reason or "")
