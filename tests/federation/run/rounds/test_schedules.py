"""Schedules: the values of each form by round, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from federation.run.config import RunConfig
from federation.run.rounds.schedules import SCHEDULED, value_in


def rates(text: str, rounds: int = 6, base: float = 0.1) -> Any:
    config = RunConfig(learning_rate=base, learning_rate_schedule=text, num_rounds=rounds)
    return pytest.approx([config.scheduled(number, rounds)["learning_rate"] for number in range(1, rounds + 1)])


def test_each_form_has_its_values() -> None:
    assert rates("step 2 0.5") == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    assert rates("0.3, 0.2,0.1") == [0.3, 0.2, 0.1, 0.1, 0.1, 0.1]
    half = (1 + np.cos(np.linspace(0, np.pi, 6))) / 2
    assert rates("cosine 0.01") == (0.01 + 0.09 * half).tolist()
    assert rates("cosine 0.01", 1) == [0.1]
    config = RunConfig(
        local_epochs=10, local_epochs_schedule="cosine 1", fraction_train_schedule="1, 0.5", num_rounds=5
    )
    assert [config.scheduled(number, 5) for number in (1, 2, 5)] == [
        {"local_epochs": 10, "fraction_train": 1.0}, {"local_epochs": 9, "fraction_train": 0.5},
        {"local_epochs": 1, "fraction_train": 0.5},
    ]  # fmt: skip


def test_an_option_without_a_schedule_is_none_and_round_0_has_none() -> None:
    assert RunConfig(learning_rate_schedule="constant").scheduled(3, 5) == {}
    assert RunConfig(learning_rate_schedule="step 1 0.5").scheduled(0, 5) == {}
    assert RunConfig(network="synthetic", learning_rate_schedule="step 1 0.5").scheduled(1, 5) == {}


@given(
    st.sampled_from(sorted(SCHEDULED)), st.integers(1, 100_000), st.integers(1, 100_000),
    st.integers(1, 1000).map(lambda every: f"step {every} 0.1") | st.integers(1, 9).map(lambda by: f"step 1 {by}")
    | st.just("cosine 1"),
)  # fmt: skip
def test_a_value_never_leaves_the_limits_of_its_option(name: str, number: int, rounds: int, text: str) -> None:
    limits = SCHEDULED[name]
    value = value_in(text, limits, 1.0, number, rounds)
    assert limits.least <= value <= limits.most
    assert math.isfinite(value)
    assert not limits.whole or isinstance(value, int)


@pytest.mark.parametrize("text", [
    "step", "step 0 0.5", "step 1.5 0.5", "step 10 0", "step 10 1e999", "cosine", "cosine nan", "cosine 0 0",
    "linear 3", "0.1;0.2", "0.1,,0.2", "inf", "0", "-1", "101", "1,200", ", ".join(["0.1"] * 501),
])  # fmt: skip
def test_what_is_no_schedule_of_a_learning_rate_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="learning_rate_schedule"):
        RunConfig(learning_rate_schedule=text)


def test_epochs_are_whole_and_shares_at_most_1() -> None:
    with pytest.raises(ValidationError, match=r"2.5 is no value of the option: whole numbers from 1 to 1000"):
        RunConfig(local_epochs_schedule="1, 2.5")
    with pytest.raises(ValidationError, match="2 is no value of the option: from 1e-06 to 1"):
        RunConfig(fraction_train_schedule="cosine 2")
