"""Runs over real sockets with light clients: rounds and their weights, waits, deadlines, and how a run ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.protocol.messages import Task
from federation.run.events import Blocked, ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.transport.admission import Limits
from federation.weights.layout import Layout
from tests.support.engine import Engine, outcomes, running_engine
from tests.support.light_client import Answer, Answering, Stage, honest, shifted, training


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path, Limits(reconnect_seconds=0.5)) as started:
        yield started


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


@pytest.mark.parametrize(
    "more",
    [{}, {"max_weight_share": 0.9}, {"strategy": "FedAvgM", "strategy_options": {"server_momentum": 0.0}}],
    ids=str,
)
def test_weights_are_the_mean_by_samples_of_what_clients_sent(
    engine: Engine, stage: Stage, tmp_path: Path, more: dict[str, Any]
) -> None:
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
    engine.wait_online(2)
    run_id = engine.start_run(num_rounds=5, synthetic_parameters=50_000, **more)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    final = np.fromfile(tmp_path / "runs" / "1" / engine.ledger.of(RoundDone)[-1].checkpoint.file, "<f4")
    np.testing.assert_allclose(final, first[0] + 5 * (1.0 * 10 + 4.0 * 30) / 40, atol=1e-5)


def test_a_content_is_sent_once_to_each_client_for_evaluation_and_training(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    assert engine.ledger.wait_end(engine.start_run(num_rounds=4)) is RunState.COMPLETED
    assert [p.contents_received for p in stage.clients] == [5, 5]
    assert len({t.content.id for p in stage.clients for t in p.tasks if t.content}) == 5
    trained = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]
    assert all(r.bytes_up == 4000 and r.bytes_down == 0 for r in trained)
    assert all(r.bytes_down == 4000 for r in engine.ledger.of(ReplyRecorded) if r.phase == "evaluate")


def test_a_client_slower_than_the_deadline_is_late_three_times_and_stays(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    stage.add("slow", training(lambda task, weights, layout: Answer(weights, silent=True)))
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=3, round_timeout_seconds=0.6)) is RunState.COMPLETED
    slow = engine.clients[stage.clients[2].public_key]
    late = [o for o in outcomes(engine) if o[1] == slow]
    assert [(o[0], o[2]) for o in late] == [(1, "late"), (2, "late"), (3, "late")]
    engine.ledger.wait(lambda: len(stage.clients[2].cancelled) == 3)
    assert stage.clients[2].closed is None


def test_a_run_waits_for_its_quorum_with_a_sentence_and_fails_at_the_deadline(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(quorum_timeout_seconds=1.5)
    blocked = engine.ledger.wait(lambda: [b for b in engine.ledger.of(Blocked) if b.kind == "quorum"], 2)[-1]
    assert blocked.sentence == "1 of 2 clients are online; the run needs 1 more"
    assert 0 < blocked.deadline_seconds <= 1.5
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert engine.ledger.reasons[run_id] == "1 of 2 clients were online after 1.5 s"


def test_a_run_continues_when_the_missing_client_connects(engine: Engine, stage: Stage) -> None:
    stage.add("a")
    run_id = engine.start_run()
    engine.ledger.wait(lambda: any(b.kind == "quorum" for b in engine.ledger.of(Blocked)))
    stage.add("b")
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert engine.ledger.waits[run_id] is None


def test_a_client_that_is_not_selected_gets_no_task(engine: Engine, stage: Stage) -> None:
    stage.add("a")
    stage.add("b")
    stage.add("not-chosen")
    engine.wait_online(3)
    run_id = engine.start_run(clients=[engine.clients[one.public_key] for one in stage.clients[:2]])
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert [len(p.tasks) > 0 for p in stage.clients] == [True, True, False]


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


def test_a_stop_while_clients_train_cancels_them_and_keeps_committed_rounds(engine: Engine, stage: Stage) -> None:
    def slow_from_round_2(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(weights, silent=task.round >= 2)

    for name in "ab":
        stage.add(name, training(slow_from_round_2))
    run_id = engine.start_run(num_rounds=5)
    engine.ledger.wait(lambda: all(any(t.round == 2 and t.phase == "train" for t in p.tasks) for p in stage.clients))
    assert engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2) is RunState.STOPPED
    engine.ledger.wait(lambda: all(len(p.cancelled) == 1 for p in stage.clients), 2)
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1]
    assert all(p.closed is None for p in stage.clients)


def test_a_share_of_the_clients_is_sampled_by_the_seed(engine: Engine, stage: Stage) -> None:
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


def test_all_of_many_clients_are_aggregated_with_a_small_budget(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(budget_bytes=5_000)) as engine, Stage(engine.address) as stage:
        for index in range(20):
            stage.add(f"c{index}", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
        engine.wait_online(20)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=3, min_clients=20)) is RunState.COMPLETED
        assert {o[2] for o in outcomes(engine)} == {"accepted"}
        assert len(outcomes(engine)) == 60


def test_a_client_that_does_not_prepare_is_late_cancelled_and_gets_another_task(engine: Engine, stage: Stage) -> None:
    def second_time(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(silent=True) if task.phase == "prepare" and len(slow.tasks) < 2 else honest(task, weights, layout)

    slow = stage.add("slow", second_time)
    run_id = engine.start_run(num_rounds=1, min_clients=1, round_timeout_seconds=0.5)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert [o[2:] for o in outcomes(engine, "prepare")] == [
        ("late", "did not prepare within 0.5 s"), ("accepted", None)
    ]  # fmt: skip
    assert slow.cancelled == [slow.tasks[0].message_id]


@pytest.mark.parametrize("ended", ["completed", "stopped"])
def test_prepare_tasks_are_cancelled_when_the_run_ends(engine: Engine, stage: Stage, ended: str) -> None:
    builds = stage.add("builds", lambda task, weights, layout: Answer(silent=True))
    engine.wait_online(1)
    for name in "ab":
        stage.add(name)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=1, min_clients=2 if ended == "completed" else 3)
    if ended == "stopped":
        engine.ledger.wait(lambda: builds.tasks)
        engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id) == ended
    engine.ledger.wait(lambda: builds.cancelled)
    assert builds.cancelled == [task.message_id for task in builds.tasks]
    assert engine.server.lane.snapshot().assignments == 0


def test_a_clients_description_of_its_data_is_limited_in_size_and_fields(engine: Engine, stage: Stage) -> None:
    def saying(**data: Any) -> Answering:
        return lambda task, weights, layout: (
            Answer(num_examples=None, data=data) if task.phase == "prepare" else honest(task, weights, layout)
        )

    said = {"samples": {"train": 7, "test": 3}, "classes": 10, "label_counts": None}
    stage.add("talks", saying(**said, dataset="other", app="other", more="x" * 1_000_000))
    engine.wait_online(1)
    stage.add("much", saying(samples={str(number): number for number in range(10_000)}))
    engine.wait_online(2)
    run_id = engine.start_run(num_rounds=1, min_clients=1)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert sorted(o[1:] for o in outcomes(engine, "prepare")) == [
        (1, "accepted", None), (2, "refused", "reports more than 65,536 characters about its data")
    ]  # fmt: skip
    told = {member.name: member.data for member in engine.server.lane.members()}
    assert told["talks"] == {"dataset": "synthetic", "app": None, "samples": {"train": 7, "test": 3}, "classes": 10}
    assert told["much"] == {"dataset": "synthetic", "app": None, "samples": 10}
