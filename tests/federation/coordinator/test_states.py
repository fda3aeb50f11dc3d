"""Random interleavings over the real ledger, supervisor and lane: no forbidden move, one end, each round once.

What is drawn are people's wishes, clients that come, go, err and dawdle, writes that come too late, and the end of the
process: clean, or at once with nothing written any more. Light clients answer; the database is a real file.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.run.states import ENDED, MOVES, RunState, sources
from tests.support.migrated import lay_data
from tests.support.world import STEPS, World

BUDGET_SECONDS = 15.0
"""Whatever the machine is like: no further example is begun after this."""


def test_the_table_of_moves_is_closed_and_every_end_is_reached() -> None:
    assert set(MOVES) == set(RunState)
    assert all(MOVES[state] <= {RunState.QUEUED} for state in ENDED)
    assert all(sources(state) for state in RunState)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A function that gives a fresh data directory."""
    numbers = itertools.count()
    return lambda: lay_data(tmp_path_factory.mktemp("world") / str(next(numbers)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the run's thread draws meanwhile, in Flower
def test_whatever_happens_in_whatever_order_runs_stay_true(folders: Callable[[], Path]) -> None:
    until = time.monotonic() + BUDGET_SECONDS
    played: list[int] = []

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 59)), min_size=12, max_size=40))
    def play(steps: list[tuple[str, int]]) -> None:
        if time.monotonic() > until:
            return
        world = World(folders())
        try:
            world.do("start", steps[0][1])
            for step, draw in steps:
                world.do(step, draw)
            world.settle()
            world.check()
            played.append(len(steps))
        finally:
            world.close()

    play()
    print(f"\n{len(played)} worlds, {sum(played)} steps")
    assert len(played) >= 3
