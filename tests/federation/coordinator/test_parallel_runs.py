"""Several runs at a time: each with clients of its own, its own stop and pause; the queue keeps its order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.coordinator.ledger import Job, Participation
from federation.coordinator.queue.active_runs import ActiveRuns
from federation.run.config import RunConfig
from federation.run.events import Blocked, RoundDone
from federation.run.states import RunState
from federation.transport.exchange import Member
from federation.transport.leases import client_leases
from federation.transport.leases.client_leases import ClientLeases, Wish
from tests.support.engine import SYNTHETIC, Engine, running_engine
from tests.support.light_client import LightClient, Stage

ENDLESS = 100_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path, parallel_runs=3) as made:
        yield made


@pytest.fixture
def stage(engine: Engine) -> Iterator[Stage]:
    with Stage(engine.address) as made:
        yield made


def add(engine: Engine, stage: Stage, name: str) -> tuple[int, LightClient]:
    """Start a client and return its id with it."""
    known = len(engine.server.lane.members())
    client = stage.add(name)
    engine.wait_online(known + 1)
    return engine.clients[client.public_key], client


def rounds(engine: Engine, run_id: int) -> int:
    return max((event.round for event in engine.ledger.of(RoundDone) if event.run_id == run_id), default=-1)


def wait_for_rounds(engine: Engine, *run_ids: int, more: int = 3) -> None:
    """Wait until each of the runs has committed so many more rounds, while none of them has ended."""
    wanted = {run_id: rounds(engine, run_id) + more for run_id in run_ids}
    engine.ledger.wait(lambda: all(rounds(engine, run_id) >= number for run_id, number in wanted.items()))
    assert {engine.ledger.states[run_id] for run_id in run_ids} <= {RunState.RUNNING}


def test_runs_of_other_clients_proceed_side_by_side_and_are_steered_alone(engine: Engine, stage: Stage) -> None:
    (a, first), (b, second) = (add(engine, stage, name) for name in "ab")
    one, two = (engine.start_run(min_clients=1, clients=[c], num_rounds=ENDLESS) for c in (a, b))
    wait_for_rounds(engine, one, two)
    assert engine.supervisor.active_run_ids == (one, two)

    (control := engine.supervisor.control(one)).pause()  # type: ignore[union-attr]
    engine.ledger.wait(lambda: engine.ledger.states[one] is RunState.PAUSED)
    wait_for_rounds(engine, two)
    control.end_pause()  # type: ignore[union-attr]
    wait_for_rounds(engine, one, two)

    assert engine.supervisor.stop(one)
    assert engine.ledger.wait_end(one, 5) is RunState.STOPPED
    wait_for_rounds(engine, two)
    assert ({task.run_id for task in first.tasks}, {task.run_id for task in second.tasks}) == ({one}, {two})


def test_a_run_starts_when_another_returns_its_clients_and_no_later_one_overtakes_it(
    engine: Engine, stage: Stage
) -> None:
    (_, first), _ = (add(engine, stage, name) for name in "ab")
    whole = engine.start_run(min_clients=1, num_rounds=ENDLESS)
    wait_for_rounds(engine, whole)
    both, later = engine.start_run(min_clients=2, num_rounds=ENDLESS), engine.start_run(min_clients=1)
    assert [engine.ledger.states[one] for one in (both, later)] == [RunState.QUEUED] * 2
    assert engine.server.lane.leases.owners() == {1: whole, 2: whole}

    assert engine.supervisor.stop(whole)
    wait_for_rounds(engine, both)
    assert engine.ledger.states[later] is RunState.QUEUED
    add(engine, stage, "c")  # the run takes every client that it may have, also one that comes later
    wait_for_rounds(engine, both)
    assert engine.server.lane.leases.owners() == dict.fromkeys((1, 2, 3), both)
    assert engine.supervisor.stop(both)
    assert engine.ledger.wait_end(later) is RunState.COMPLETED
    order = [task.run_id for task in first.tasks]
    assert order == sorted(order), "a client had tasks of two runs"


def test_a_client_that_lost_the_connection_is_its_runs_when_it_is_back(engine: Engine, stage: Stage) -> None:
    (a, gone), (b, _) = (add(engine, stage, name) for name in "ab")
    one, two = (engine.start_run(min_clients=1, max_clients=1, num_rounds=ENDLESS) for _ in range(2))
    wait_for_rounds(engine, one, two)
    waits = engine.start_run(min_clients=1, max_clients=1, num_rounds=ENDLESS)
    stage.do(gone.socket.close())
    engine.ledger.wait(lambda: (wait := engine.ledger.waits.get(one)) is not None and wait.kind == "quorum")
    assert "(1 in another run)" in [event for event in engine.ledger.of(Blocked) if event.run_id == one][-1].sentence

    stage.add("a", key=gone.key)
    wait_for_rounds(engine, one, two)
    assert engine.ledger.states[waits] is RunState.QUEUED
    add(engine, stage, "c")
    wait_for_rounds(engine, one, two, waits)
    assert engine.server.lane.leases.owners() == {a: one, b: two, 3: waits}

    assert engine.supervisor.stop(two)  # a run with its maximum takes no more
    engine.ledger.wait_end(two)
    wait_for_rounds(engine, one, waits)
    assert engine.server.lane.leases.owners() == {a: one, 3: waits}


def test_a_client_that_a_person_excludes_is_free_for_another_run(engine: Engine, stage: Stage) -> None:
    for name in "abc":
        add(engine, stage, name)
    one = engine.start_run(min_clients=2, num_rounds=ENDLESS)
    wait_for_rounds(engine, one)
    two = engine.start_run(min_clients=1, num_rounds=ENDLESS)
    assert engine.ledger.states[two] is RunState.QUEUED
    engine.ledger.exclude(one, 3)
    engine.supervisor.reload_participation(one)
    wait_for_rounds(engine, one, two)
    assert engine.server.lane.leases.owners() == {1: one, 2: one, 3: two}


# -- leases alone -----------------------------------------------------------------------------------------------------


def members(*client_ids: int) -> list[Member]:
    return [Member(client_id, f"site-{client_id}", {"app": "own"}, "s") for client_id in client_ids]


def anybody(_: Member) -> bool:
    return True


def test_of_two_runs_that_each_lack_clients_the_earlier_one_gets_those_of_the_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online = members(1, 2, 3, 4)
    leases = ClientLeases(lambda: online)
    first, second = (leases.open(run_id, Wish(anybody, 2, 2)) for run_id in (1, 2))
    assert leases.owners() == {1: 1, 2: 1, 3: 2, 4: 2}
    online[:] = members(1, 4)
    first.note_wait(is_short=True)
    second.note_wait(is_short=True, idle=[4])
    assert leases.owners() == {1: 1, 2: 1, 3: 2, 4: 2}, "both may get theirs back"
    monkeypatch.setattr(client_leases, "MAKE_WAY_SECONDS", 0.0)
    second.note_wait(is_short=True, idle=[])
    first.note_wait(is_short=True, idle=[1])
    assert leases.owners()[4] == 2, "a client that has a task stays, and a later run gets none"
    second.note_wait(is_short=True, idle=[4])
    assert leases.owners() == {1: 1, 2: 1, 3: 2, 4: 1}


def test_a_free_client_goes_first_to_a_run_that_waits() -> None:
    online = members(1)
    leases = ClientLeases(lambda: online)
    leases.open(1, Wish(anybody, 1))
    second = leases.open(2, Wish(anybody, 1))
    online += members(2, 3)
    assert second.members(anybody, 1) == members(2)
    assert leases.owners() == {1: 1, 2: 2, 3: 1}
    second.close()
    assert leases.owners() == {1: 1, 3: 1} and second.members(anybody, 1) == []


def test_of_runs_with_an_app_for_supernodes_one_is_active_at_a_time() -> None:
    active = ActiveRuns(3, ClientLeases(lambda: members(1, 2, 3)))
    config: dict[str, Any] = {"min_clients": 1, "max_clients": 1}
    own = RunConfig(
        **{"network": "custom", "node_app": "f" * 64, "initial_weights": "e" * 64, "clients": [1], **config}
    )

    def may_start(config: RunConfig) -> bool:
        return active.has_clients_for(Job(9, config, 1), lambda _: Participation(1), set)

    active.add(Job(1, own, 1), lambda _: Participation(1), set)
    assert not may_start(own.model_copy(update={"clients": [2]}))
    assert may_start(RunConfig(**SYNTHETIC, **config))
