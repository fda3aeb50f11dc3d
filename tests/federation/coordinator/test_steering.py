"""Requests to a run: pause, continue, more rounds, exclude and include, exact resume; which checkpoints are kept."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.coordinator.control import Control
from federation.protocol.messages import Task
from federation.run.events import Blocked, ClientSuspended, ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.weights.layout import Layout
from tests.support.engine import Engine, outcomes, running_engine
from tests.support.light_client import Answer, Stage, adds, honest


def committed(engine: Engine, run_id: int = 1) -> list[int]:
    return [d.round for d in engine.ledger.of(RoundDone) if d.run_id == run_id]


def control_of(engine: Engine, run_id: int = 1) -> Control:
    control = engine.supervisor.control(run_id)
    assert control is not None
    return control


def weights_of(folder: Path, run_id: int, number: int) -> Any:
    return np.fromfile(folder / "runs" / str(run_id) / f"round-{number:06d}.weights", "<f4")


def test_a_pause_begins_after_the_round_and_ends_when_a_person_continues(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    run_id = engine.start_run(num_rounds=10_000)
    engine.ledger.wait(lambda: len(committed(engine)) > 3)
    control_of(engine).pause()
    engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.PAUSED)
    assert engine.ledger.of(Blocked)[-1].kind == "paused"
    assert engine.ledger.of(Blocked)[-1].sentence == f"Paused by a user after round {committed(engine)[-1]}"
    at = committed(engine)
    control_of(engine).end_pause()
    engine.ledger.wait(lambda: len(committed(engine)) > len(at) + 3)
    assert [to for _, to in engine.ledger.moves][2:5] == [RunState.PAUSED, RunState.WAITING, RunState.RUNNING]
    assert engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2) is RunState.STOPPED
    assert committed(engine) == list(range(len(committed(engine))))


def test_a_pause_comes_before_the_wait_for_clients_and_has_no_deadline(engine: Engine, stage: Stage) -> None:
    def slow_in_round_1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        answer = honest(task, weights, layout)
        answer.delay_seconds = 0.5 if (task.round, task.phase) == (1, "evaluate") else 0.0
        return answer

    leaving, staying = stage.add("leaving"), stage.add("staying", slow_in_round_1)
    run_id = engine.start_run(num_rounds=3, quorum_timeout_seconds=1.0)
    engine.ledger.wait(lambda: any((t.round, t.phase) == (1, "evaluate") for t in staying.tasks))
    control_of(engine).pause()
    stage.do(leaving.socket.close())
    engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.PAUSED)
    assert committed(engine) == [0, 1]
    control_of(engine).end_pause()
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    ran = [RunState.WAITING, RunState.RUNNING, RunState.PAUSED, RunState.WAITING, RunState.FAILED]
    assert [to for _, to in engine.ledger.moves] == ran
    assert engine.ledger.reasons[run_id] == "1 of 2 clients were online after 1 s"


def test_a_pause_requested_during_a_wait_for_clients_stops_its_deadline(engine: Engine, stage: Stage) -> None:
    stage.add("a")
    run_id = engine.start_run(num_rounds=2, quorum_timeout_seconds=3.0)
    engine.ledger.wait(lambda: engine.ledger.waits.get(run_id))
    control_of(engine).pause()
    engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.PAUSED)
    assert engine.ledger.of(Blocked)[-1].sentence == "Paused by a user before round 0"
    stage.add("b")
    engine.wait_online(2)
    control_of(engine).end_pause()
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED


def test_a_paused_run_is_stopped_at_once(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    run_id = engine.start_run(num_rounds=10_000)
    engine.ledger.wait(lambda: engine.supervisor.control(run_id))
    control_of(engine).pause()
    engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.PAUSED)
    engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2) is RunState.STOPPED


def test_rounds_are_added_to_an_active_run_and_to_an_ended_one(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, adds(0.1))
    run_id = engine.start_run(num_rounds=4)
    engine.ledger.wait(lambda: engine.supervisor.control(run_id))
    control_of(engine).raise_rounds(7)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert committed(engine) == list(range(8))
    engine.ledger.requeue(run_id, num_rounds=9)
    engine.supervisor.wake()
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert committed(engine) == list(range(10))


def test_a_client_is_left_out_and_let_in_again(engine: Engine, stage: Stage) -> None:
    for name in "abc":
        stage.add(name)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=10_000)
    engine.ledger.wait(lambda: len(committed(engine)) > 2)
    engine.ledger.exclude(run_id, 3)
    engine.supervisor.reload_participation(run_id)

    def trained_last() -> set[int]:
        replies = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]
        return {r.client_id for r in replies if r.round == committed(engine)[-1]}

    engine.ledger.wait(lambda: trained_last() == {1, 2})
    engine.ledger.exclude(run_id)
    engine.supervisor.reload_participation(run_id, included=3)
    engine.ledger.wait(lambda: trained_last() == {1, 2, 3})
    engine.supervisor.stop(run_id)
    engine.ledger.wait_end(run_id, 2)


def test_three_refused_replies_in_a_row_suspend_a_client_until_a_person_includes_it(
    engine: Engine, stage: Stage
) -> None:
    for name in "ab":
        stage.add(name)
    engine.wait_online(2)
    stage.add("bad", adds(0.1, bad_in=range(1, 4)))
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=10_000)
    suspended = engine.ledger.wait(lambda: engine.ledger.of(ClientSuspended))[0]
    assert (suspended.client_id, suspended.reason) == (3, "3 of its replies in a row were rejected")
    engine.ledger.wait(lambda: committed(engine)[-1] > 8)
    asked = {r.round for r in engine.ledger.of(ReplyRecorded) if r.phase == "train" and r.client_id == 3}
    assert asked == {1, 2, 3}
    engine.supervisor.reload_participation(run_id, included=3)
    engine.ledger.wait(
        lambda: any(r.client_id == 3 and r.outcome == "accepted" and r.round > 3 and r.phase == "train"
                    for r in engine.ledger.of(ReplyRecorded))
    )  # fmt: skip
    engine.supervisor.stop(run_id)
    engine.ledger.wait_end(run_id, 2)


def test_a_client_that_could_not_prepare_gets_another_task_when_included(engine: Engine, stage: Stage) -> None:
    mended = False

    def broken_at_first(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        answer = honest(task, weights, layout)
        answer.error = "no data here" if task.phase == "prepare" and not mended else None
        return answer

    for name in "ab":
        stage.add(name)
    engine.wait_online(2)
    stage.add("c", broken_at_first)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=10_000)
    engine.ledger.wait(lambda: len(committed(engine)) > 3)
    assert [o[2:] for o in outcomes(engine, "prepare") if o[1] == 3] == [("failed", "no data here")]
    mended = True
    engine.supervisor.reload_participation(run_id, included=3)
    engine.ledger.wait(lambda: any(o[1:3] == (3, "accepted") for o in outcomes(engine)))
    engine.supervisor.stop(run_id)
    engine.ledger.wait_end(run_id, 2)


@pytest.mark.parametrize("strategy", ["FedAvg", "FedAdam", "FedAvgM"])
def test_a_resumed_run_equals_one_that_was_not_stopped(
    engine: Engine, stage: Stage, tmp_path: Path, strategy: str
) -> None:
    options = {"server_momentum": 0.9} if strategy == "FedAvgM" else {}
    stage.add("a", adds(0.01))
    stage.add("b", adds(0.02, examples=30))
    engine.wait_online(2)
    plain = engine.start_run(num_rounds=6, strategy=strategy, strategy_options=options)
    assert engine.ledger.wait_end(plain) is RunState.COMPLETED
    cut = engine.start_run(num_rounds=6, strategy=strategy, strategy_options=options)
    engine.ledger.wait(lambda: len(committed(engine, cut)) >= 3)
    engine.supervisor.stop(cut)
    engine.ledger.wait_end(cut)
    if engine.ledger.states[cut] is RunState.STOPPED:
        engine.ledger.requeue(cut)
        engine.supervisor.wake()
        assert engine.ledger.wait_end(cut) is RunState.COMPLETED
    assert committed(engine, cut) == list(range(7))
    np.testing.assert_allclose(weights_of(tmp_path, cut, 6), weights_of(tmp_path, plain, 6), rtol=0, atol=1e-6)


def test_a_damaged_checkpoint_fails_the_resumed_run_with_a_reason(engine: Engine, stage: Stage, tmp_path: Path) -> None:
    for name in "ab":
        stage.add(name)
    run_id = engine.start_run(num_rounds=1)
    engine.ledger.wait_end(run_id)
    (tmp_path / "runs" / "1" / "round-000001.weights").write_bytes(bytes(4000))
    engine.ledger.requeue(run_id, num_rounds=2)
    engine.supervisor.wake()
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert "sha256 differs" in (engine.ledger.reasons[run_id] or "")


def test_a_full_disk_pauses_the_run_until_there_is_room(engine: Engine, stage: Stage) -> None:
    """The kernel refuses the write: the process's files may not grow beyond a limit that is lifted later."""

    def fills(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        if task.round == 2 and task.phase == "train":
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        return honest(task, weights, layout)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for name in "ab":
            stage.add(name, fills)
        run_id = engine.start_run(num_rounds=4, synthetic_parameters=1_000_000)
        engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.PAUSED)
        blocked = engine.ledger.wait(lambda: [b for b in engine.ledger.of(Blocked) if b.kind == "storage"])[0]
        assert "The weights of round 2 cannot be written" in blocked.sentence
        assert committed(engine) == [0, 1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert committed(engine) == [0, 1, 2, 3, 4]


def test_the_last_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    def peaks_in_round_2(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        answer = honest(task, weights, layout)
        answer.metrics = {"accuracy": 0.9 if task.round == 2 else 0.1 * task.round % 0.5}
        return answer

    policy = CheckpointPolicy(last=2, metric="evaluate_accuracy")
    with running_engine(tmp_path, policy=policy) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name, peaks_in_round_2)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=7)) is RunState.COMPLETED
        kept = sorted(p.name for p in (tmp_path / "runs" / "1").glob("round-*.weights"))
        assert kept == [f"round-{number:06d}.weights" for number in (2, 6, 7)]
