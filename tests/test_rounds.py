"""A run over real sockets with light clients: what counts, what is refused, who is waited for, and how a run ends."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.events import AttemptFailed, Blocked, ReplyRecorded, RoundDone
from federation.lane import Limits
from federation.states import RunState
from federation.weights import Layout
from federation.wire import Task
from tests.engine import Engine, running_engine
from tests.puppet import Answer, Answering, Stage, honest, shifted


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path, Limits(max_reply_bytes=100_000, reconnect_seconds=0.5)) as started:
        yield started


@pytest.fixture
def stage(engine: Engine) -> Iterator[Stage]:
    with Stage(engine.address) as started:
        yield started


def training(answer: Answering) -> Answering:
    """Return an answering that is honest but for training."""

    def answering(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return answer(task, weights, layout) if task.phase == "train" else honest(task, weights, layout)

    return answering


def outcomes(engine: Engine, phase: str = "train") -> list[tuple[int, int, str, str | None]]:
    """Return round, client, outcome and reason of the replies of a phase."""
    found = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == phase]
    return [(r.round, r.client_id, r.outcome, r.reason) for r in found]


def test_rounds_are_committed_in_order_and_round_0_is_an_evaluation(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    run_id = engine.start_run(num_rounds=3)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    done = engine.ledger.of(RoundDone)
    assert [d.round for d in done] == [0, 1, 2, 3]
    assert done[0].train_metrics == {}
    assert done[0].evaluate_metrics == {"loss": 1.0, "accuracy": 0.5}
    assert done[3].train_metrics == {"loss": 1.0, "accuracy": 0.5}
    assert [to for _, to in engine.ledger.moves] == [RunState.WAITING, RunState.RUNNING, RunState.COMPLETED]


def test_weights_are_the_mean_by_samples_of_what_clients_sent(engine: Engine, stage: Stage, tmp_path: Path) -> None:
    first: list[np.ndarray[Any, Any]] = []

    def adds(by: float, examples: int) -> Answering:
        def answer(task: Task, weights: bytes | None, _: Layout | None) -> Answer:
            assert weights is not None
            if task.round == 1:
                first.append(np.frombuffer(weights, "<f4"))
            return Answer(shifted(weights, by), num_examples=examples)

        return training(answer)

    stage.add("a", adds(1.0, 10))
    stage.add("b", adds(4.0, 30))
    run_id = engine.start_run(num_rounds=2)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    final = np.fromfile(tmp_path / "runs" / "1" / engine.ledger.of(RoundDone)[-1].checkpoint.file, "<f4")
    np.testing.assert_allclose(final, first[0] + 2 * (1.0 * 10 + 4.0 * 30) / 40, atol=1e-5)


def test_a_content_is_sent_once_to_each_client_for_evaluation_and_training(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    assert engine.ledger.wait_end(engine.start_run(num_rounds=4)) is RunState.COMPLETED
    assert [p.contents_received for p in stage.puppets] == [5, 5]
    assert len({t.content.id for p in stage.puppets for t in p.tasks if t.content}) == 5
    trained = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]
    assert all(r.bytes_up == 4000 and r.bytes_down == 0 for r in trained)
    assert all(r.bytes_down == 4000 for r in engine.ledger.of(ReplyRecorded) if r.phase == "evaluate")


def altered(change: Any) -> Answering:
    """Return an answering whose trained weights are what ``change`` makes of the good ones."""
    return training(lambda task, weights, layout: change(np.frombuffer(weights or b"", "<f4").copy()))


def with_one(value: float) -> Any:
    def change(weights: Any) -> Answer:
        weights[17] = value
        return Answer(weights.tobytes())

    return change


def examples(value: Any) -> Any:
    return lambda weights: Answer(weights.tobytes(), num_examples=value)


def as_layout(*rows: Any) -> Any:
    return lambda weights: Answer(weights.tobytes(), layout=list(rows))


NEEDED = "the run needs w float32 1000"
RANGE = "it must be from 1 to 10000000"
BAD = {
    "NaN": (with_one(math.nan), "1 of 1000 values are not finite"),
    "infinity": (with_one(math.inf), "1 of 1000 values are not finite"),
    "too large": (with_one(-3e38), "1 of 1000 values are too large to be averaged"),
    "wrong shape": (as_layout(("w", [10, 100], "float32")), f"sends w float32 10×100, {NEEDED}"),
    "more arrays": (as_layout(("w", [1000], "float32"), ("x", [0], "float32")), "sends 2 arrays, the run needs 1"),
    "no array": (lambda w: Answer(b"1234", layout=[]), "sends 0 arrays, the run needs 1"),
    "no weights": (lambda w: Answer(None), "sends no weights"),
    "wrong dtype": (as_layout(("w", [1000], "float64")), f"sends w float64 1000, {NEEDED}"),
    "unknown dtype": (as_layout(("w", [1000], "object")), "array 'w' has dtype 'object', which is not allowed"),
    "too few bytes": (lambda w: Answer(w.tobytes()[:-4]), "sends 3996 bytes, the run needs 4000"),
    "over the cap": (lambda w: Answer(bytes(200_000)), "sends 200000 bytes, at most 100000 are taken"),
    "no examples": (examples(0), f"num_examples is 0, {RANGE}"),
    "negative": (examples(-5), f"num_examples is -5, {RANGE}"),
    "a bool": (examples(True), "num_examples is 'True', not a whole number"),
    "a string": (examples("10"), "num_examples is '10', not a whole number"),
    "missing": (examples(None), "num_examples is missing"),
    "too many": (examples(10_000_001), f"num_examples is 10000001, {RANGE}"),
    "an error": (lambda w: Answer(None, error="x" * 500), "x" * 200),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_reply_is_left_out_and_said_and_the_run_goes_on(engine: Engine, stage: Stage, bad: str) -> None:
    change, reason = BAD[bad]
    stage.add("good-1", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    stage.add("good-2", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    engine.wait_online(2)
    stage.add("bad", altered(change))
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=2)) is RunState.COMPLETED
    bad_id = next(i for key, i in engine.clients.items() if key == stage.puppets[2].public_key)
    mine = [o for o in outcomes(engine) if o[1] == bad_id]
    expected = "failed" if bad == "an error" else "refused"
    assert [(o[0], o[2], o[3]) for o in mine] == [(1, expected, reason), (2, expected, reason)]
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1, 2]
    assert all(math.isfinite(v) for d in engine.ledger.of(RoundDone) for v in d.train_metrics.values())
    assert stage.puppets[2].closed is None


def test_when_all_replies_are_bad_nothing_is_committed_and_the_third_failure_ends_the_run(
    engine: Engine, stage: Stage
) -> None:
    for name in "ab":
        stage.add(name, altered(with_one(math.nan)))
    run_id = engine.start_run(num_rounds=2)
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0]
    assert [(f.round, f.attempt) for f in engine.ledger.of(AttemptFailed)] == [(1, 1), (1, 2), (1, 3)]
    assert "3 attempts at round 1 in a row failed" in (engine.ledger.reasons[run_id] or "")


def test_metrics_are_cut_to_the_caps_and_NaN_stays(engine: Engine, stage: Stage) -> None:
    wild: dict[str, Any] = {f"m{i}": 1.0 for i in range(10_000)}
    wild |= {"<b>x</b>": 1.0, "text": "y" * 1_000_000, "line\nbreak": 2.0}
    stage.add("a", training(lambda task, weights, layout: Answer(weights, {"loss": math.nan, **wild})))
    stage.add("b", training(lambda task, weights, layout: Answer(weights, {"loss": 1.0})))
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1)) is RunState.COMPLETED
    trained = {r.client_id: r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"}
    wild_id = engine.clients[stage.puppets[0].public_key]
    assert len(trained[wild_id].metrics) == 100
    assert math.isnan(trained[wild_id].metrics["loss"])
    assert "metrics were left out" in (trained[wild_id].reason or "")
    assert math.isnan(engine.ledger.of(RoundDone)[1].train_metrics["loss"])


def test_a_client_slower_than_the_deadline_is_late_three_times_and_lives(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    stage.add("slow", training(lambda task, weights, layout: Answer(weights, silent=True)))
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=3, round_timeout_seconds=0.6)) is RunState.COMPLETED
    slow = engine.clients[stage.puppets[2].public_key]
    late = [o for o in outcomes(engine) if o[1] == slow]
    assert [(o[0], o[2]) for o in late] == [(1, "late"), (2, "late"), (3, "late")]
    engine.ledger.wait(lambda: len(stage.puppets[2].cancelled) == 3)
    assert stage.puppets[2].closed is None


def test_a_run_waits_for_its_quorum_says_so_and_fails_at_the_deadline(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(quorum_timeout_seconds=1.5)
    blocked = engine.ledger.wait(lambda: [b for b in engine.ledger.of(Blocked) if b.kind == "quorum"], 2)[-1]
    assert blocked.sentence == "1 of 2 clients are online; the run needs 1 more"
    assert 0 < blocked.deadline_seconds <= 1.5
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert engine.ledger.reasons[run_id] == "1 of 2 clients were there after 1.5 s"


def test_a_run_goes_on_when_the_missing_client_comes(engine: Engine, stage: Stage) -> None:
    stage.add("a")
    run_id = engine.start_run()
    engine.ledger.wait(lambda: any(b.kind == "quorum" for b in engine.ledger.of(Blocked)))
    stage.add("b")
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert engine.ledger.waits[run_id] is None


def test_a_client_that_holds_other_data_or_is_not_chosen_is_not_asked(engine: Engine, stage: Stage) -> None:
    stage.add("a")
    stage.add("b")
    stage.add("not-chosen")
    engine.wait_online(3)
    run_id = engine.start_run(clients=["a", "b"])
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert [len(p.tasks) > 0 for p in stage.puppets] == [True, True, False]


def test_a_client_of_another_shape_is_refused_before_round_1_with_both_shapes(engine: Engine, stage: Stage) -> None:
    def other(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(data={"layout": [["w", [5, 5], "float32"]]}, metrics={})

    for name in "ab":
        stage.add(name)
    odd = stage.add("odd", other)
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run()) is RunState.COMPLETED
    said = [o for o in outcomes(engine, "prepare") if o[2] != "accepted"]
    assert said == [(0, engine.clients[odd.public_key], "refused", "sends w float32 5×5, the run needs w float32 1000")]
    assert {t.phase for t in odd.tasks} == {"prepare"}


def test_runs_queue_and_the_next_one_starts_when_the_first_is_stopped(engine: Engine, stage: Stage) -> None:
    first = engine.start_run(min_clients=2)
    second = engine.start_run(num_rounds=1, min_clients=1)
    engine.ledger.wait(lambda: engine.ledger.states[first] is RunState.WAITING)
    assert engine.ledger.states[second] is RunState.QUEUED
    stage.add("a")
    assert engine.supervisor.stop(first)
    assert engine.ledger.wait_end(first, 2) is RunState.STOPPED
    assert engine.ledger.wait_end(second) is RunState.COMPLETED


def test_a_queued_run_is_cancelled_and_a_stop_is_one_transition(engine: Engine) -> None:
    first, second = engine.start_run(), engine.start_run()
    assert engine.supervisor.stop(second)
    assert engine.ledger.states[second] is RunState.CANCELLED
    engine.ledger.wait(lambda: engine.ledger.states[first] is RunState.WAITING)
    said = [engine.supervisor.stop(first) for _ in range(5)]
    assert engine.ledger.wait_end(first, 2) is RunState.STOPPED
    assert said[0]
    assert [to for run, to in engine.ledger.moves if run == first].count(RunState.STOPPING) == 1


def test_a_stop_while_clients_train_cancels_them_and_keeps_what_is_committed(engine: Engine, stage: Stage) -> None:
    def slow_from_round_2(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(weights, silent=task.round >= 2)

    for name in "ab":
        stage.add(name, training(slow_from_round_2))
    run_id = engine.start_run(num_rounds=5)
    engine.ledger.wait(lambda: all(any(t.round == 2 and t.phase == "train" for t in p.tasks) for p in stage.puppets))
    assert engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2) is RunState.STOPPED
    engine.ledger.wait(lambda: all(len(p.cancelled) == 1 for p in stage.puppets), 2)
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1]
    assert all(p.closed is None for p in stage.puppets)


def test_a_share_of_the_clients_trains_and_the_seed_decides_which(engine: Engine, stage: Stage) -> None:
    for name in "abcdef":
        stage.add(name)
    engine.wait_online(6)
    for _ in range(2):
        run_id = engine.start_run(num_rounds=4, fraction_train=0.5, min_clients=2)
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    asked = {
        run: [sorted(r.client_id for r in engine.ledger.of(ReplyRecorded)
                     if (r.run_id, r.phase, r.round) == (run, "train", k)) for k in range(1, 5)]
        for run in (1, 2)
    }  # fmt: skip
    assert all(len(ids) == 3 for ids in asked[1])
    assert asked[1] == asked[2]
    assert len({tuple(ids) for ids in asked[1]}) > 1


def test_many_clients_over_a_small_budget_all_count(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(budget_bytes=5_000)) as engine, Stage(engine.address) as stage:
        for index in range(20):
            stage.add(f"c{index}", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
        engine.wait_online(20)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=3, min_clients=20)) is RunState.COMPLETED
        assert {o[2] for o in outcomes(engine)} == {"accepted"}
        assert len(outcomes(engine)) == 60
