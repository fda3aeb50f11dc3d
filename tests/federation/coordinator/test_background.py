"""Background work: a stop abandons it, and the next work waits for its end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from federation.coordinator.background import THREAD_NAME, run_in_background
from federation.coordinator.control import Control, RunInterrupted, RunStopped
from federation.run.states import RunState
from tests.support.engine import Engine
from tests.support.light_client import Stage, adds
from tests.support.processes import wait_until

LONG_SECONDS = 20.0


def test_work_returns_its_result_or_raises_its_error_and_its_thread_ends() -> None:
    assert run_in_background(lambda: threading.current_thread().name, Control()) == THREAD_NAME

    def fails() -> None:
        raise ValueError("no use")

    with pytest.raises(ValueError, match="no use"):
        run_in_background(fails, Control())
    assert THREAD_NAME not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("end", [Control.stop, Control.interrupt])
def test_a_stop_abandons_work_and_the_next_work_waits_for_its_end(end: Callable[[Control], None]) -> None:
    begun, may_end, began_next = threading.Event(), threading.Event(), threading.Event()
    first, second, third = Control(), Control(), Control()

    def long() -> None:
        begun.set()
        assert may_end.wait(LONG_SECONDS)

    with ThreadPoolExecutor(3) as runs:
        stopped = runs.submit(run_in_background, long, first)
        assert begun.wait(LONG_SECONDS)
        end(first)
        with pytest.raises((RunStopped, RunInterrupted)):
            stopped.result(LONG_SECONDS)
        gave_up = runs.submit(run_in_background, began_next.set, second)
        second.stop()
        with pytest.raises(RunStopped):
            gave_up.result(LONG_SECONDS)
        following = runs.submit(lambda: run_in_background(began_next.is_set, third))
        assert not following.done()
        may_end.set()
        assert following.result(LONG_SECONDS) is False


def test_large_replies_are_aggregated_in_the_background_and_a_stop_ends_the_run(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name, adds(0.01))
    engine.wait_online(2)
    run_id = engine.start_run(num_rounds=100, strategy="FedMedian", synthetic_parameters=6_300_000)
    wait_until(lambda: THREAD_NAME in {thread.name for thread in threading.enumerate()}, LONG_SECONDS)
    engine.supervisor.stop(run_id)
    assert engine.ledger.wait_end(run_id, 2.0) is RunState.STOPPED
    wait_until(lambda: THREAD_NAME not in {thread.name for thread in threading.enumerate()}, LONG_SECONDS)
