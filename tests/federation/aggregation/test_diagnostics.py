"""Norms and cosines of a round's updates, and the fairness of its metrics, beside what numpy computes."""

import math

import numpy as np
import pytest

from federation.aggregation.diagnostics import UpdateDiagnostics, fairness_of
from federation.run.metric_goals import MetricGoals
from federation.weights.layout import Flats

WEIGHTS = {1: 5, 2: 50, 3: 1, 4: 20}


def updates(values: int) -> tuple[Flats, dict[int, Flats]]:
    """Return weights that were sent, and updates of four clients that have a direction in common."""
    rng = np.random.default_rng(3)
    sent: Flats = {"float32": rng.normal(size=values).astype(np.float32), "float16": np.ones(40, np.float16),
            "int64": np.arange(3)}  # fmt: skip
    common = rng.normal(size=values)
    moved = {c: (sent["float32"] + 0.01 * (common + c * rng.normal(size=values))).astype(np.float32) for c in WEIGHTS}
    halves = {c: (sent["float16"] + np.float16(0.1 * c)).astype(np.float16) for c in WEIGHTS}
    return sent, {c: {"float32": moved[c], "float16": halves[c], "int64": np.arange(3) * c} for c in WEIGHTS}


def expected(sent: Flats, replies: dict[int, Flats]) -> tuple[list[float], list[float]]:
    steps = np.array([
        np.concatenate([np.subtract(flats[d], sent[d], dtype=np.float64) for d in ("float32", "float16")])
        for flats in replies.values()
    ])  # fmt: skip
    mean, norms = np.average(steps, axis=0, weights=list(WEIGHTS.values())), np.linalg.norm(steps, axis=1)
    return norms.tolist(), (steps @ mean / norms / np.linalg.norm(mean)).tolist()


@pytest.mark.parametrize(("kept", "stride", "tolerance"), [(1 << 24, 1, 1e-5), (40_000, 9, 0.03)])
def test_norms_and_cosines_are_those_of_numpy_and_of_many_values_a_sample(
    kept: int, stride: int, tolerance: float
) -> None:
    sent, replies = updates(80_000)
    norms, cosines = expected(sent, replies)
    measuring = UpdateDiagnostics(sent, len(replies), kept)
    for client_id, flats in replies.items():
        measuring.add(client_id, flats, WEIGHTS[client_id])
    found = measuring.result()
    assert (measuring.stride, list(found)) == (stride, list(WEIGHTS))
    assert [one["update_norm"] for one in found.values()] == pytest.approx(norms, rel=1e-5)
    assert [one["update_cosine"] for one in found.values()] == pytest.approx(cosines, abs=tolerance)
    assert 0.1 < min(cosines) < 0.6 < max(cosines), "the test tells directions apart"


def test_an_update_of_zero_has_a_norm_and_no_direction() -> None:
    sent = {"float32": np.ones(3, np.float32)}
    measuring = UpdateDiagnostics(sent, 2)
    measuring.add(1, {"float32": np.ones(3, np.float32)}, 1)
    measuring.add(2, {"float32": np.full(3, 2, np.float32)}, 1)
    assert measuring.result() == {1: {"update_norm": 0.0}, 2: {"update_norm": math.sqrt(3), "update_cosine": 1.0}}
    assert UpdateDiagnostics({"int64": np.ones(3, np.int64)}, 1).result() == {}


def test_fairness_is_the_deviation_over_clients_and_the_mean_of_the_worst_tenth() -> None:
    values = [0.5, 0.9, 0.1, *[0.8] * 8]  # the worst tenth of eleven clients are two
    replies = [{"accuracy": value, "loss": 1 - value, "γ": value} for value in values]
    found = fairness_of([*replies, {"accuracy": math.nan}], MetricGoals())
    assert found == pytest.approx({
        "accuracy_std": float(np.std(values)), "accuracy_worst_10": 0.3,
        "loss_std": float(np.std(values)), "loss_worst_10": 0.7,
    })  # fmt: skip
