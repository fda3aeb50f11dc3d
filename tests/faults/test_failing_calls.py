"""Calls of a run's thread raise exceptions of any type: its run ends, the next one starts, nobody need press a button.

The random worlds of `test_states.py` have such failures among other actions; here they meet short runs, many a second.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.run.config import RunConfig
from federation.run.events import StoreUnavailable
from federation.run.states import ENDED, RunState
from tests.support.engine import Engine, ListLedger, running_engine
from tests.support.failing_calls import ERRORS, FailingCalls, Failure
from tests.support.light_client import Stage
from tests.support.migrated import lay_data
from tests.support.processes import wait_until
from tests.support.run_invariants import check_moves, check_rounds, is_alive
from webapp.operations.event_hub import EventHub
from webapp.parts import Parts, open_parts
from webapp.settings import Settings

BUDGET_SECONDS, LEAST = float(os.environ.get("MEADOW_RANDOM_SECONDS", "10")) / 2, 3
STRATEGIES: tuple[Any, ...] = ("FedAvg", "FedAdam", "QFedAvg", "FedMedian")

FAILURES = st.builds(Failure, st.integers(1, 160), st.integers(0, len(ERRORS) - 1), st.booleans())
MORE = st.builds(Failure, st.integers(1, 8), st.integers(0, len(ERRORS) - 1), st.booleans())


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    given_: dict[str, Any] = {"data_dir": lay_data(tmp_path / "data"), "port": 0, "flower_port": 0}
    opened = open_parts(Settings(**given_), EventHub(), socket.create_server(("127.0.0.1", 0)))
    with Stage("{}:{}".format(*opened.flower_address)) as stage:
        stage.add("a")
        stage.add("b")
        wait_until(lambda: len(opened.flower.live_clients()) == 2)
        yield opened
    opened.close()


def start_run(parts: Parts, number: int) -> int:
    return parts.runs.create(RunConfig(
        network="synthetic", dataset="synthetic", seed=number, num_rounds=2, min_clients=2, round_timeout_seconds=1.0,
        quorum_timeout_seconds=1.0, strategy=STRATEGIES[number % len(STRATEGIES)],
    )).id  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # Flower uses it on the run's thread
def test_whatever_call_of_a_run_raises_it_ends_and_the_next_one_starts(parts: Parts) -> None:
    until, folder = time.monotonic() + BUDGET_SECONDS, parts.settings.data_dir
    played: list[int] = []

    @settings(
        max_examples=max(100, int(BUDGET_SECONDS * 10)), deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(FAILURES, st.lists(MORE, max_size=3))
    def play(first: Failure, more: list[Failure]) -> None:
        if time.monotonic() > until and len(played) >= LEAST:
            return
        failing.raised.clear()
        failing.plan([first, *more])
        pair = [start_run(parts, 2 * len(played) + index) for index in (0, 1)]
        said = f"both runs {pair} end after {failing.raised}"
        wait_until(lambda: all(parts.runs.show(run_id).state in ENDED for run_id in pair), 40, said)
        failing.forget()
        wait_until(lambda: is_alive(parts), 20, said)
        for run_id in pair:
            check_moves(parts, run_id)
            check_rounds(parts, folder, run_id)
        played.append(len(failing.raised))

    with FailingCalls().installed() as failing:
        play()
    print(f"\n{len(played)} worlds, {sum(played)} calls failed")
    assert len(played) >= LEAST and sum(played) > 0


class ForgetfulLedger(ListLedger):
    """Raises ``errors`` when the next queued run is looked up; with ``late`` when it is moved to waiting."""

    def __init__(self, errors: list[BaseException], *, late: bool) -> None:
        super().__init__()
        self.errors, self.late = errors, late

    def next_queued(self) -> Any:
        if len(self.jobs) == 2 and self.errors and not self.late:
            raise self.errors.pop()
        return super().next_queued()

    def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
        moved = super().move(run_id, to, *rest, **more)
        if run_id == 2 and to is RunState.WAITING and self.errors and self.late:
            raise self.errors.pop()
        return moved


def is_waiting(engine: Engine, run_id: int) -> bool:
    return engine.ledger.states[run_id] is RunState.WAITING and engine.supervisor.active_run_ids == (run_id,)


@pytest.mark.parametrize("late", [False, True], ids=["no run is found", "no answer comes to its move"])
@pytest.mark.parametrize("ends", [False, True], ids=["at a start", "at the end of a run"])
def test_the_queue_goes_on_by_itself_when_its_store_was_away(tmp_path: Path, late: bool, ends: bool) -> None:
    errors: list[BaseException] = [StoreUnavailable("away"), KeyError("config")]
    with running_engine(tmp_path, ledger=ForgetfulLedger(errors, late=late)) as engine:
        first = engine.start_run()
        engine.ledger.wait(lambda: is_waiting(engine, first))
        if ends:
            behind = engine.ledger.queue()
            assert engine.supervisor.stop(first)
        else:
            assert engine.supervisor.stop(first)
            engine.ledger.wait(lambda: not engine.supervisor.active_run_ids)
            behind = engine.start_run()
        engine.ledger.wait(partial(is_waiting, engine, behind), 20)
        assert engine.supervisor.stop(behind)
        assert engine.ledger.wait_end(behind) is RunState.STOPPED


class AwayLedger(ListLedger):
    """Finds no queued run as long as it is ``away``."""

    away = True

    def next_queued(self) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return super().next_queued()


def test_many_requests_while_the_store_is_away_share_one_thread_that_tries_again(tmp_path: Path) -> None:
    ledger = AwayLedger()
    with running_engine(tmp_path, ledger=ledger) as engine:
        run_id = engine.ledger.queue()
        for _ in range(100):
            engine.supervisor.wake()
        assert sum(thread.name == "queue" for thread in threading.enumerate()) <= 2
        ledger.away = False
        engine.ledger.wait(partial(is_waiting, engine, run_id), 20)
        assert engine.supervisor.stop(run_id)


class UnansweringLedger(ListLedger):
    """Moves a run to stopping, and then says that no answer came."""

    def move(self, run_id: int, to: RunState, *rest: Any, **more: Any) -> bool:
        moved = super().move(run_id, to, *rest, **more)
        if to is RunState.STOPPING:
            raise StoreUnavailable("no answer")
        return moved


def test_a_stop_whose_answer_is_lost_stops_the_run_all_the_same(tmp_path: Path) -> None:
    with running_engine(tmp_path, ledger=UnansweringLedger()) as engine:
        run_id = engine.start_run()
        engine.ledger.wait(lambda: is_waiting(engine, run_id))
        with pytest.raises(StoreUnavailable):
            engine.supervisor.stop(run_id)
        assert engine.ledger.wait_end(run_id, 5) is RunState.STOPPED
