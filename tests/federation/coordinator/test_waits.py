"""Requests to a waiting run: fewer clients, a later deadline, the front of the queue; by engine and API."""

from datetime import datetime
from pathlib import Path
from typing import Any

from federation.coordinator.supervisor import Participation
from federation.protocol.messages import Task
from federation.run.events import AttemptFailed, Blocked, RoundDone, StoreUnavailable
from federation.run.states import RunState
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, running
from tests.support.engine import Engine, ListLedger, running_engine
from tests.support.light_client import Answer, Stage, honest
from tests.support.processes import wait_until


def missing(engine: Engine) -> list[Blocked]:
    return [blocked for blocked in engine.ledger.of(Blocked) if blocked.kind == "quorum"]


def test_a_waiting_run_continues_at_once_when_fewer_clients_are_enough(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(num_rounds=2)
    engine.ledger.wait(lambda: missing(engine) and "min_clients" in missing(engine)[-1].actions)
    assert missing(engine)[-1].actions == ("min_clients", "wait", "demo", "stop")
    engine.ledger.set_min_clients(run_id, 1)
    engine.supervisor.reload_participation(run_id)
    assert engine.ledger.wait_end(run_id, 5) is RunState.COMPLETED


def test_a_sentence_about_a_thousand_clients_has_a_separator(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(min_clients=1002, quorum_timeout_seconds=1.0)
    engine.ledger.wait(lambda: missing(engine))
    assert missing(engine)[-1].sentence == "1 of 1,002 clients are online; the run needs 1,001 more"
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert engine.ledger.reasons[run_id] == "1 of 1,002 clients were online after 1 s"


def test_what_a_run_cannot_read_when_it_is_decided_counts_all_the_same(tmp_path: Path) -> None:
    class Away(ListLedger):
        away = 0

        def read_participation(self, run_id: int) -> Participation:
            self.away -= 1
            if self.away >= 0:
                raise StoreUnavailable("away")
            return super().read_participation(run_id)

    ledger = Away()
    with running_engine(tmp_path, ledger=ledger) as engine, Stage(engine.address) as stage:
        stage.add("alone")
        engine.wait_online(1)
        run_id = engine.start_run(num_rounds=2)
        engine.ledger.wait(lambda: missing(engine))
        ledger.away = 2
        engine.ledger.set_min_clients(run_id, 1)
        engine.supervisor.reload_participation(run_id)
        assert engine.ledger.wait_end(run_id, 5) is RunState.COMPLETED


def test_fewer_clients_are_not_offered_below_what_the_strategy_needs(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(strategy="Krum", min_clients=3, clients=[1, 2, 3])
    engine.ledger.wait(lambda: "1 of 3" in (missing(engine) or [Blocked(0, None)])[-1].sentence)
    assert missing(engine)[-1].actions == ("wait", "stop")
    engine.supervisor.stop(run_id)


def test_the_present_round_needs_fewer_replies_but_never_more(engine: Engine, stage: Stage) -> None:
    def dies_in_round_1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        if (task.phase, task.round) == ("train", 1):
            engine.ledger.set_min_clients(task.run_id, 1)
            engine.supervisor.reload_participation(task.run_id)
            return Answer(error="ValueError: not today")
        if (task.phase, task.round) == ("train", 2):
            engine.ledger.set_min_clients(task.run_id, 3)
            engine.supervisor.reload_participation(task.run_id)
        return honest(task, weights, layout)

    stage.add("a")
    stage.add("b", dies_in_round_1)
    engine.wait_online(2)
    run_id = engine.start_run(num_rounds=3)
    engine.ledger.wait(lambda: missing(engine))
    assert missing(engine)[-1].sentence == "2 of 3 clients are online; the run needs 1 more"
    assert [done.round for done in engine.ledger.of(RoundDone)] == [0, 1, 2]
    assert not engine.ledger.of(AttemptFailed)
    engine.supervisor.stop(run_id)


def test_a_longer_wait_moves_the_deadline_and_the_reason_names_all_of_it(engine: Engine, stage: Stage) -> None:
    stage.add("alone")
    engine.wait_online(1)
    run_id = engine.start_run(quorum_timeout_seconds=1.0)
    engine.ledger.wait(lambda: missing(engine))
    control = engine.supervisor.control(run_id)
    assert control is not None and control.wait_longer(0.5)
    engine.ledger.wait(lambda: any((blocked.deadline_seconds or 0) > 1.0 for blocked in missing(engine)), 1)
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert engine.ledger.reasons[run_id] == "1 of 2 clients were online after 1.5 s"
    assert not control.wait_longer(1.0), "there is nothing to wait for any more"


# -- over the API ------------------------------------------------------------------------------------------------------


def post(dashboard: Dashboard, run_id: int, verb: str, body: Any = None, status: int = 202) -> dict[str, Any]:
    answer = dashboard.http.post(f"/api/runs/{run_id}/{verb}", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def wait_for_quorum(dashboard: Dashboard, run_id: int) -> dict[str, Any]:
    """Wait until a run is blocked on its quorum, and return ``blocked_on``."""

    def blocked() -> dict[str, Any]:
        found = dashboard.run(run_id)["blocked_on"] or {}
        return found if found.get("kind") == "quorum" and "min_clients" in found["actions"] else {}

    return wait_until(blocked)


def asked(dashboard: Dashboard, run_id: int) -> list[dict[str, Any]]:
    """Return the requests of people to a run, from its events."""

    def ended(events: list[dict[str, Any]]) -> bool:
        return events[-1]["data"].get("state") in ("stopped", "cancelled", "completed")

    events = dashboard.stream(f"/api/runs/{run_id}/events?after=0", ended)
    return [event["data"] for event in events if event["data"].get("asked")]


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    """Return the seconds between the deadlines of two waits."""
    moved = datetime.fromisoformat(later["deadline"]) - datetime.fromisoformat(earlier["deadline"])
    return moved.total_seconds()


def test_a_lower_minimum_is_stored_recorded_and_used_after_a_resume(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        stage.add("alone")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=50_000)
        assert wait_for_quorum(dashboard, run_id)["actions"] == ["min_clients", "wait", "demo", "stop"]
        assert post(dashboard, run_id, "min_clients", {"min_clients": 1})["config"]["min_clients"] == 1
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 2)
        post(dashboard, run_id, "stop")
        at = dashboard.wait_for_state(run_id, "stopped")["current_round"]
        told = asked(dashboard, run_id)
        assert [(one["asked"], one["min_clients"]) for one in told] == [("min_clients", 1)]
        post(dashboard, run_id, "resume")
        wait_until(lambda: dashboard.run(run_id)["current_round"] > at)
        post(dashboard, run_id, "stop")
        dashboard.wait_for_state(run_id, "stopped")


def test_a_minimum_that_is_not_possible_is_refused_with_a_sentence(dashboard: Dashboard) -> None:
    krum = dashboard.start_run(strategy="Krum", min_clients=4)
    queued = dashboard.start_run()
    refused = post(dashboard, krum, "min_clients", {"min_clients": 2}, 409)
    assert refused["detail"] == "Krum with these options needs 3 clients, the minimum cannot be 2."
    for value in (0, 10_001, "1", 1.5, None):
        assert post(dashboard, krum, "min_clients", {"min_clients": value}, 422)["errors"][0]["field"] == "min_clients"
    assert post(dashboard, krum, "min_clients", {"min_clients": 3})["config"]["min_clients"] == 3
    assert post(dashboard, queued, "min_clients", {"min_clients": 7})["config"]["min_clients"] == 7
    post(dashboard, queued, "stop")
    assert "is cancelled" in post(dashboard, queued, "min_clients", {"min_clients": 1}, 409)["detail"]
    assert dashboard.http.post("/api/runs/99/min_clients", json={"min_clients": 1}).status_code == 404


def test_a_wait_is_extended_and_the_answer_has_the_new_deadline(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("alone")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run()
        before = wait_for_quorum(dashboard, run_id)
        later = post(dashboard, run_id, "wait", {"seconds": 600})["blocked_on"]
        assert 599 < seconds_between(before, later) < 601
        assert (later["since"], later["sentence"]) == (before["since"], before["sentence"])
        for value in (0, 86_401, "600", None):
            assert post(dashboard, run_id, "wait", {"seconds": value}, 422)["errors"][0]["field"] == "seconds"
        post(dashboard, run_id, "min_clients", {"min_clients": 1})
        dashboard.wait_for_state(run_id, "completed")
        refused = post(dashboard, run_id, "wait", {"seconds": 600}, 409)
        assert refused["detail"] == f"Run {run_id} is not waiting for clients: there is no timeout to extend."
        told = asked(dashboard, run_id)
        assert [(one["asked"], one.get("seconds")) for one in told] == [("wait", 600), ("min_clients", None)]
        assert abs(seconds_between(told[0]["blocked_on"], later)) < 1


def test_a_queued_run_is_moved_to_the_front(dashboard: Dashboard) -> None:
    active, *queued = (dashboard.start_run() for _ in range(4))

    def order() -> list[int]:
        return sorted(queued, key=lambda run_id: dashboard.run(run_id)["queue_position"])

    assert order() == queued
    for run_id in (queued[2], queued[1], queued[1]):
        assert post(dashboard, run_id, "front")["queue_position"] == 1
    assert order() == [queued[1], queued[2], queued[0]]
    assert "only a queued run" in post(dashboard, active, "front", None, 409)["detail"]
    post(dashboard, active, "stop")
    dashboard.wait_for_state(queued[1], "waiting")
    post(dashboard, queued[2], "stop")
    assert [one["asked"] for one in asked(dashboard, queued[2])] == ["front"]
