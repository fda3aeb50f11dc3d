"""Stop rules: after which round a run ends, and by which rule, whether its rounds are watched or read back."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from federation.run.config import RunConfig
from federation.run.events import Checkpoint, RoundDone
from federation.run.rounds.stop_rules import RunPast, Stop, StopRule, StopWatch

ROUND_SECONDS, ROUND_BYTES = 10.0, 10**6


def done(number: int, value: float | None, name: str = "accuracy") -> RoundDone:
    metrics = {} if value is None else {name: value}
    return RoundDone(1, number, 1, 1.0, 1.0, 0.0, 0.0, {}, metrics, Checkpoint("file", "0" * 64, 1))


def end_of(config: RunConfig, values: list[float | None], restarts: frozenset[int] = frozenset()) -> tuple[Any, int]:
    """Return the rule and the round in which a run with these values by round, from 0 on, ends; it may be restarted."""
    watch, since = StopWatch(config.stop_rules, RunPast(), -1), 0
    for number, value in enumerate(values):
        watch.note(done(number, value), (number + 1 - since) * ROUND_SECONDS, ROUND_BYTES)
        if number in restarts:  # killed right after the commit: what it knows is read back
            known = [(n, one) for n, one in enumerate(values[: number + 1]) if n > 0 and one is not None]
            since = number + 1
            watch = StopWatch(config.stop_rules, RunPast(0, since * ROUND_SECONDS, since * ROUND_BYTES, known), number)
        if watch.stop is not None:
            return watch.stop.rule, number
    return None, len(values) - 1


@pytest.mark.parametrize(("rules", "values", "expected"), [
    ({"stop_target": 0.9}, [0.95, 0.5, 0.9, 0.95], (StopRule.TARGET, 2)),
    ({"stop_metric": "evaluate_loss", "stop_target": 0.9}, [0.1, 2.0, 0.8], (None, 2)),
    ({"stop_patience": 2}, [0.9, 0.5, 0.5, 0.6, 0.6, 0.5, 0.7], (StopRule.PATIENCE, 5)),
    ({"stop_patience": 2, "stop_min_change": 0.1}, [0.0, 0.5, 0.55, 0.6, 0.7], (StopRule.PATIENCE, 3)),
    ({"stop_patience": 2}, [0.0, math.nan, 0.5, math.nan, 0.6, math.nan, math.nan], (StopRule.PATIENCE, 6)),
    ({"stop_patience": 2}, [0.0, 0.5, None, None, None, 0.5], (StopRule.PATIENCE, 5)),
    ({"stop_seconds": 35.0}, [0.5] * 9, (StopRule.TIME, 3)),
    ({"stop_megabytes": 4.5}, [0.5] * 9, (StopRule.TRAFFIC, 4)),
    ({}, [0.5] * 9, (None, 8)),
])  # fmt: skip
def test_a_rule_ends_a_run_after_its_round(rules: Any, values: Any, expected: Any) -> None:
    assert end_of(RunConfig(**rules), values) == expected


def test_a_metric_of_the_server_ends_the_run_after_a_round_that_clients_evaluated() -> None:
    config = RunConfig(dataset="mnist", server_evaluation="test_split", stop_metric="server_accuracy", stop_target=0.9)
    watch = StopWatch(config.stop_rules, RunPast(), 0)
    watch.note(done(1, 0.99), 0.0, 0)
    watch.note_measured(1, {"accuracy": 0.5, "loss": 0.95})
    watch.note(replace(done(2, None), is_evaluated=False), 0.0, 0)
    assert watch.stop is None and not watch.is_limit_reached(0.0, 0), "the clients' accuracy is not watched"
    watch.note_measured(2, {"accuracy": 0.91})
    assert watch.stop is None and watch.is_limit_reached(0.0, 0), "clients are to evaluate the last round"
    watch.note(done(3, 0.1), 0.0, 0)
    expected = Stop(StopRule.TARGET, "Target reached: server_accuracy 0.91 in round 2, the target is 0.9")
    assert watch.stop == expected
    assert StopWatch(config.stop_rules, RunPast(values=[(1, 0.5), (2, 0.91)]), 3).stop == expected, "read back"


def test_no_improvement_at_the_server_is_counted_in_the_rounds_that_it_measured() -> None:
    config = RunConfig(dataset="mnist", server_evaluation="test_split", stop_metric="server_loss", stop_patience=2)
    watch = StopWatch(config.stop_rules, RunPast(), 0)
    for number in range(1, 7):
        watch.note(done(number, 0.5), 0.0, 0)
    for number, value in ((1, 2.0), (2, 1.0), (3, 1.5)):
        watch.note_measured(number, {"loss": value})
        assert watch.stop is None
    watch.note_measured(4, {"loss": 1.2})
    assert watch.stop == Stop(StopRule.PATIENCE, "No improvement of server_loss for 2 rounds: best 1 in round 2")


def test_a_metric_of_a_server_that_evaluates_nothing_is_not_watched() -> None:
    with pytest.raises(ValidationError, match="which evaluates nothing"):
        RunConfig(dataset="mnist", stop_metric="server_accuracy", stop_target=0.9)


def test_less_of_a_loss_is_better() -> None:
    rules = RunConfig(stop_metric="evaluate_loss", stop_target=0.9, stop_patience=2).stop_rules
    watch = StopWatch(rules, RunPast(), 0)
    for number, value in enumerate((2.0, 1.5, 1.6, 0.9), 1):
        assert watch.stop is None
        watch.note(done(number, value, "loss"), 0.0, 0)
    expected = "Target reached: evaluate_loss 0.9 in round 4, the target is 0.9"
    assert watch.stop == Stop(StopRule.TARGET, expected)


@given(
    st.lists(st.none() | st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=25), st.sets(st.integers(0, 24)),
    st.integers(1, 4), st.floats(0, 0.3),
)  # fmt: skip
def test_a_run_that_is_killed_and_resumed_ends_in_the_same_round(
    values: list[float | None], restarts: set[int], patience: int, change: float
) -> None:
    config = RunConfig(stop_target=0.9, stop_patience=patience, stop_min_change=change, stop_seconds=155.0)
    assert end_of(config, values, frozenset(restarts)) == end_of(config, values)


def test_rules_start_over_where_a_person_continued_the_run() -> None:
    rules = RunConfig(stop_patience=2, stop_target=0.8).stop_rules
    watch = StopWatch(rules, RunPast(after=7), 7)
    assert watch.stop is None
    for number, value in ((8, 0.5), (9, 0.4)):
        watch.note(done(number, value), 0.0, 0)
        assert watch.stop is None
    watch.note(done(10, 0.4), 0.0, 0)
    assert watch.stop is not None
    assert watch.stop.sentence == "No improvement of evaluate_accuracy for 2 rounds: best 0.5 in round 8"


def test_a_rule_about_a_metric_needs_to_know_what_is_better() -> None:
    for rule in ({"stop_target": 1.0}, {"stop_patience": 3}):
        with pytest.raises(ValidationError, match="whether less of turns is better is unknown"):
            RunConfig(stop_metric="train_turns", **rule)
        assert RunConfig(stop_metric="train_turns", minimize_metrics="turns", **rule)
    with pytest.raises(ValidationError, match="stop_metric"):
        RunConfig(stop_metric="accuracy")
