"""Two people press buttons of one run at once; the run's thread meets an exception of any type. The run still ends."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.run.config import RunConfig
from federation.run.events import Checkpoint, StoreUnavailable
from federation.run.states import ENDED, RunState
from federation.storage.checkpoints import Checkpoints
from tests.support.engine import SYNTHETIC, Engine, ListLedger, running_engine
from tests.support.light_client import Stage
from tests.support.migrated import lay_data
from tests.support.processes import wait_until
from webapp.operations.event_hub import EventHub
from webapp.parts import Parts, open_parts
from webapp.problems import Conflict, Problem
from webapp.settings import Settings


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    given: dict[str, Any] = {"data_dir": lay_data(tmp_path / "data"), "port": 0, "flower_port": 0}
    opened = open_parts(Settings(**given), EventHub(), socket.create_server(("127.0.0.1", 0)))
    yield opened
    opened.close()


def synthetic(**config: Any) -> RunConfig:
    return RunConfig(**{**SYNTHETIC, "min_clients": 1, **config})


def press(method: Any, run_id: int) -> None:
    with contextlib.suppress(Problem):
        method(run_id)


def press_both(parts: Parts, run_id: int, times: int) -> None:
    for _ in range(times):
        press(parts.steering.stop_run, run_id)
        press(parts.steering.resume_run, run_id)


def test_stop_and_resume_from_two_places_at_once_leave_a_run_that_can_be_stopped(parts: Parts) -> None:
    with Stage("{}:{}".format(*parts.flower_address)) as stage:
        stage.add("a")
        run_id = parts.runs.create(synthetic(num_rounds=10_000)).id
        presses = [threading.Thread(target=press_both, args=(parts, run_id, 60)) for _ in range(2)]
        for thread in presses:
            thread.start()
        for thread in presses:
            thread.join(60)
        press(parts.steering.stop_run, run_id)
        wait_until(lambda: parts.runs.show(run_id).state in ENDED, 5, "the run has ended")
        wait_until(lambda: not parts.supervisor.active_run_ids, 5, "its thread has ended")
        with pytest.raises(Conflict):
            parts.steering.stop_run(run_id)
        parts.runs.delete(run_id)


class HeldLedger(ListLedger):
    """Holds a move to ``held`` before or after it is made, until the test lets it go."""

    held: RunState | None = None
    before = False

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()

    def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
        moved = None if self.before else super().move(run_id, to, *rest, **more)
        if to is self.held and not self.released.is_set():
            self.reached.set()
            assert self.released.wait(10)
        return super().move(run_id, to, *rest, **more) if moved is None else moved


def test_a_stop_reaches_the_incarnation_that_it_moves(tmp_path: Path) -> None:
    """The first stop has looked up the active run; meanwhile that one is stopped by another person and resumed."""
    ledger = HeldLedger()
    with running_engine(tmp_path, ledger=ledger) as engine:
        run_id = engine.start_run(num_rounds=1000)
        ledger.before, ledger.held = True, RunState.STOPPING
        first = threading.Thread(target=engine.supervisor.stop, args=(run_id,))
        first.start()
        assert ledger.reached.wait(10)
        ledger.held = None
        second = threading.Thread(target=engine.supervisor.stop, args=(run_id,))
        second.start()
        second.join(0.5)
        if not second.is_alive():
            ledger.wait_end(run_id, 5)
            wait_until(lambda: not engine.supervisor.active_run_ids)
            ledger.requeue(run_id)
            engine.supervisor.wake()
        ledger.released.set()
        first.join(10)
        second.join(10)
        assert ledger.wait_end(run_id, 3) is RunState.STOPPED


def test_a_run_that_was_moved_to_stopping_by_nobody_it_knows_commits_nothing_more(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        stage.add("a")
        run_id = engine.start_run(num_rounds=10_000, min_clients=1)
        engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.RUNNING)
        assert engine.ledger.move(run_id, RunState.STOPPING)
        assert engine.ledger.wait_end(run_id, 5) is RunState.STOPPED


class Unforeseen(BaseException):
    """An exception of no type that anybody expects, as native libraries raise it."""


@pytest.mark.parametrize("error", [MemoryError("no memory"), Unforeseen("a panic"), SystemExit(3)])
def test_an_exception_of_any_type_while_paused_for_storage_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    errors: list[BaseException] = [OSError(28, "No space left on device"), error]

    def broken(*_: Any) -> Checkpoint:
        raise errors.pop(0)

    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        stage.add("a")
        engine.wait_online(1)
        monkeypatch.setattr(Checkpoints, "write", broken)
        run_id = engine.start_run(min_clients=1)
        assert engine.ledger.wait_end(run_id) is RunState.FAILED
        assert (run_id, RunState.PAUSED) in engine.ledger.moves
        assert type(error).__name__ in (engine.ledger.reasons[run_id] or "")
        wait_until(lambda: not engine.supervisor.active_run_ids)
        assert not engine.supervisor.stop(run_id)
        monkeypatch.undo()
        engine.ledger.requeue(run_id)
        engine.supervisor.wake()
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED


class FailingEnd(ListLedger):
    """Raises ``errors`` at moves to an end state, and refuses a reason that it cannot store."""

    def __init__(self, errors: list[BaseException]) -> None:
        super().__init__()
        self.errors = errors

    def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
        if to in ENDED and self.errors:
            raise self.errors.pop(0)
        return super().move(run_id, to, *rest, **more)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("no such text"), Unforeseen("a panic")])
def test_the_end_of_a_run_is_written_whatever_the_store_raises(tmp_path: Path, error: BaseException) -> None:
    with running_engine(tmp_path, ledger=FailingEnd([error])) as engine:
        run_id, behind = engine.start_run(), engine.ledger.queue()
        engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.WAITING)
        assert engine.supervisor.stop(run_id)
        assert engine.ledger.wait_end(run_id, 5) is RunState.STOPPED
        engine.ledger.wait(partial(started, engine, behind), 5)


def started(engine: Engine, run_id: int) -> bool:
    return engine.ledger.states[run_id] is RunState.WAITING


def test_a_stop_that_can_do_nothing_is_a_conflict(parts: Parts) -> None:
    run_id = parts.runs.create(synthetic()).id
    wait_until(lambda: parts.runs.show(run_id).state == RunState.WAITING)
    parts.steering.stop_run(run_id)
    wait_until(lambda: parts.runs.show(run_id).state == RunState.STOPPED)
    for method in (parts.steering.stop_run, parts.steering.continue_run, parts.steering.pause_run):
        with pytest.raises(Conflict, match="is stopped"):
            method(run_id)


def test_a_run_without_a_thread_can_be_stopped_and_deleted(parts: Parts) -> None:
    """An active state whose thread is gone is not met any more; a stop ends it all the same."""
    run_id = parts.runs.create(synthetic()).id
    wait_until(lambda: parts.runs.show(run_id).state == RunState.WAITING)
    lost = parts.runs.create(synthetic()).id
    assert parts.runs.move(lost, RunState.WAITING) and parts.runs.move(lost, RunState.RUNNING)
    parts.steering.stop_run(lost)
    assert parts.runs.show(lost).state == RunState.STOPPED
    parts.runs.delete(lost)
