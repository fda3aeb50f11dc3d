"""Random actions on the real ledger, supervisor and lane: no forbidden move, one end, each round once.

Worlds have one, two or three active runs at a time; a client is in one of them.

The actions are requests of people, clients that connect, disconnect, fail or are slow, writes that are too late, and
the end of the process: clean, or a crash after which nothing is written. Light clients answer; the database is a file.
"""

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.run.states import ENDED, MOVES, RunState, sources
from tests.support.failing_calls import FailingCalls
from tests.support.migrated import lay_data
from tests.support.random_federation import ACTIONS, RandomFederation

BUDGET_SECONDS, LEAST = float(os.environ.get("MEADOW_RANDOM_SECONDS", "10")), 3
"""No further example begins after this, but so many at least, however slow the machine is."""


def test_the_table_of_moves_is_closed_and_every_end_is_reached() -> None:
    assert set(MOVES) == set(RunState)
    assert all(MOVES[state] <= {RunState.QUEUED, RunState.DELETED} for state in ENDED)
    assert all(sources(state) for state in RunState)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A function that returns a new data directory."""
    numbers = itertools.count()
    return lambda: lay_data(tmp_path_factory.mktemp("federation") / str(next(numbers)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # Flower uses it on the run's thread
def test_runs_keep_their_invariants_under_random_actions(folders: Callable[[], Path]) -> None:
    until = time.monotonic() + BUDGET_SECONDS
    played: list[int] = []
    most_active: dict[int, int] = {}

    @settings(
        max_examples=max(25, int(BUDGET_SECONDS)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 59)), min_size=12, max_size=40))
    def play(actions: list[tuple[str, int]]) -> None:
        if time.monotonic() > until and len(played) >= LEAST:
            return
        federation = RandomFederation(folders(), failing, parallel_runs=1 + actions[0][1] % 3)
        try:
            federation.do("start", actions[0][1])
            for action, number in actions:
                federation.do(action, number)
            failing.forget()
            federation.check_alive()
            federation.end_all_runs()
            federation.check()
            played.append(len(actions))
            most_active[federation.parallel_runs] = max(
                most_active.get(federation.parallel_runs, 0), federation.most_active
            )
        finally:
            failing.forget()
            federation.close()

    with FailingCalls().installed() as failing:
        play()
    print(f"\n{len(played)} worlds, {sum(played)} actions, {len(failing.raised)} calls failed, {most_active}")
    assert len(played) >= LEAST
