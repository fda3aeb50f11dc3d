"""Moments between two moments: a wish that meets a start or an end, a client that goes between two phases."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.client.reconnect import longest_wait
from federation.coordinator.control import Control
from federation.protocol import messages
from federation.protocol.messages import Task
from federation.run.events import Blocked, Event, ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.transport.admission import Limits
from federation.weights.layout import Layout
from tests.support.books import Books, done, reply
from tests.support.engine import Engine, ListLedger, running_engine
from tests.support.light_client import Answer, LightClient, Stage, honest
from tests.support.processes import wait_until
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import list_rounds


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path, Limits(reconnect_seconds=0.3)) as started:
        yield started


def test_cancelling_a_queued_run_costs_the_active_one_no_reply(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    active = books.start_run(num_rounds=5)
    queued = books.start_run()
    books.runs.record(reply(active, 1, a, loss=1.0))
    assert books.runs.move(queued, RunState.STOPPING) and books.runs.move(queued, RunState.STOPPED)
    books.runs.record(reply(active, 1, b, loss=3.0))
    books.runs.record(done(active, 1, loss=2.0))
    with books.database.read() as session:
        losses = {p.client_id: p.value for p in points_after(session, active, phases=["train"])}
        assert list_rounds(session, active)[0].outcomes == {"train": {"accepted": 2}}
    assert losses == {None: 2.0, a: 1.0, b: 3.0}


def test_a_run_left_after_its_last_round_is_completed_not_interrupted(books: Books) -> None:
    (a,) = books.add_clients("site-a")
    whole, cut, paused = (books.start_run(num_rounds=count) for count in (2, 3, 3))
    for number in (0, 1, 2):
        books.play_round(whole, number, [a], loss=1.0)
        books.play_round(cut, number, [a], loss=1.0)
        books.play_round(paused, number, [a], loss=1.0)
    books.runs.move(paused, RunState.PAUSED, blocked=Blocked(paused, "paused", "Paused by a user after round 2"))
    books.runs.restore()
    assert books.runs.show(whole).state == "completed"
    said = books.runs.show(cut)
    assert (said.state, said.reason) == (
        "interrupted", "The server was restarted: 2 of 3 rounds are saved, round 3 is lost."
    )  # fmt: skip
    assert books.runs.show(paused).reason == "The server was restarted: 2 of 3 rounds are saved."


class Vanishing(LightClient):
    """Leaves as soon as its trained weights are on their way, as after a kill between two phases."""

    async def send_content(self, message_id: str) -> None:
        await super().send_content(message_id)
        await self.socket.close()


def test_when_everybody_goes_after_training_the_round_counts_and_the_run_waits(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.do(Vanishing(engine.address, name).run())
    engine.wait_online(2)
    run_id = engine.start_run(num_rounds=2, synthetic_parameters=2_000_000)
    engine.ledger.wait(lambda: [b for b in engine.ledger.of(Blocked) if b.kind == "quorum"])
    assert engine.ledger.states[run_id] is RunState.WAITING
    for name in "cd":
        stage.add(name)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1, 2]


def test_a_round_says_within_two_seconds_that_a_client_it_waits_for_is_gone(engine: Engine, stage: Stage) -> None:
    def never(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(silent=True) if task.phase == "train" else honest(task, weights, layout)

    for count, name in enumerate("ab", 1):
        stage.add(name, never)
        engine.wait_online(count)
    run_id = engine.start_run(round_timeout_seconds=60.0)
    engine.ledger.wait(lambda: all(any(task.phase == "train" for task in p.tasks) for p in stage.clients))
    stage.do(stage.clients[1].socket.close())
    engine.ledger.wait(lambda: "b lost the connection" in getattr(engine.ledger.waits[run_id], "sentence", ""), 2)
    blocked = engine.ledger.waits[run_id]
    assert blocked is not None
    assert (blocked.kind, blocked.sentence) == ("round", "Round 1 waits for a and b; b lost the connection")
    assert 0 < (blocked.deadline_seconds or 0) <= 60 and blocked.actions == ("stop",)
    engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2) is RunState.STOPPED


def replies_beyond(engine: Engine, count: int) -> bool:
    return len(engine.ledger.of(ReplyRecorded)) > count


def test_a_stop_with_replies_on_their_way_leaves_the_whole_budget_to_the_next_run(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(budget_bytes=50_000)) as engine, Stage(engine.address) as stage:
        for index in range(8):
            stage.add(f"c{index}")
        engine.wait_online(8)
        for attempt in range(12):
            before = len(engine.ledger.of(ReplyRecorded)) + 20 + attempt
            run_id = engine.start_run(num_rounds=1000, min_clients=8)
            engine.ledger.wait(partial(replies_beyond, engine, before))
            engine.supervisor.stop(run_id)
            engine.ledger.wait_end(run_id)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=2, min_clients=8)) is RunState.COMPLETED
        wait_until(lambda: engine.server.lane.snapshot().used_bytes == 0, what="the budget is whole again")


def test_replies_that_came_in_time_count_although_the_run_was_busy_until_the_deadline(tmp_path: Path) -> None:
    """The run's thread stands still while the disk takes nothing; what arrived meanwhile arrived in time."""

    class SlowDisk(ListLedger):
        slow = True

        def record(self, event: Event) -> None:
            if isinstance(event, ReplyRecorded) and event.phase == "evaluate" and self.slow:
                self.slow = False
                threading.Event().wait(1.5)
            super().record(event)

    with running_engine(tmp_path, ledger=SlowDisk()) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name)
        engine.wait_online(2)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=1, round_timeout_seconds=1.0)) is RunState.COMPLETED
        assert {r.outcome for r in engine.ledger.of(ReplyRecorded)} == {"accepted"}


class SlowLedger(ListLedger):
    """Holds a move to ``held`` until the test lets it go, as a database that is locked."""

    held: RunState | None = None

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()

    def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
        moved = super().move(run_id, to, *rest, **more)
        if to is self.held and not self.released.is_set():
            self.reached.set()
            assert self.released.wait(10)
        return moved


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Engine, SlowLedger]]:
    ledger = SlowLedger()
    with running_engine(tmp_path, ledger=ledger) as engine:
        yield engine, ledger


def test_a_stop_that_meets_the_start_of_its_run_is_heard(slow: tuple[Engine, SlowLedger]) -> None:
    engine, ledger = slow
    ledger.held = RunState.WAITING
    run_id = ledger.queue()
    starting = threading.Thread(target=engine.supervisor.wake)
    starting.start()
    assert ledger.reached.wait(10)
    stopping = threading.Thread(target=engine.supervisor.stop, args=(run_id,))
    stopping.start()
    stopping.join(0.3)
    ledger.released.set()
    stopping.join(10)
    starting.join(10)
    assert ledger.wait_end(run_id, 3) is RunState.STOPPED


def test_a_run_that_is_cancelled_as_it_was_to_start_does_not_hold_up_the_queue(tmp_path: Path) -> None:
    class Fickle(ListLedger):
        def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
            if run_id == 1 and to is RunState.WAITING:
                super().move(run_id, RunState.CANCELLED)
            return super().move(run_id, to, *rest, **more)

    with running_engine(tmp_path, ledger=Fickle()) as engine:
        engine.ledger.queue()
        engine.start_run()
        assert engine.ledger.states == {1: RunState.CANCELLED, 2: RunState.WAITING}


def test_a_run_resumed_while_its_thread_ends_can_be_stopped_again(slow: tuple[Engine, SlowLedger]) -> None:
    engine, ledger = slow
    run_id = engine.start_run()
    ledger.wait(lambda: ledger.states[run_id] is RunState.WAITING)
    ledger.held = RunState.STOPPED
    assert engine.supervisor.stop(run_id)
    assert ledger.reached.wait(10)
    ledger.requeue(run_id)
    stopping = threading.Thread(target=engine.supervisor.stop, args=(run_id,))
    stopping.start()
    stopping.join(0.3)
    ledger.released.set()
    stopping.join(10)
    assert ledger.wait_end(run_id, 3) in (RunState.CANCELLED, RunState.STOPPED)


def test_rounds_added_at_the_last_moment_are_done() -> None:
    control = Control(num_rounds=3)
    assert not control.try_finish(2, lambda: 0)
    control.raise_rounds(4)
    control.raise_rounds(3)
    assert not control.try_finish(3, lambda: 4)
    assert not control.try_finish(4, lambda: 5)
    assert control.try_finish(5, lambda: 5)


def test_a_task_of_a_server_that_is_gone_is_cancelled_when_the_client_comes(engine: Engine, stage: Stage) -> None:
    class Burdened(LightClient):
        def hello(self, nonce: str, pending: list[str] | None = None) -> messages.Hello:
            return super().hello(nonce, ["1-4-1-train-1-of-another-time"])

    burdened = Burdened(engine.address, "burdened")
    stage.do(burdened.run())
    engine.wait_online(1)
    engine.ledger.wait(lambda: burdened.cancelled)
    assert burdened.cancelled == ["1-4-1-train-1-of-another-time"]


def test_a_client_waits_no_longer_after_a_thousand_failures() -> None:
    assert [longest_wait(failures) for failures in (1, 2, 3, 1100, 10**6)] == [2.0, 4.0, 5.0, 5.0, 5.0]
