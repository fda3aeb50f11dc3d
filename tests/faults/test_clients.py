"""Client processes that are killed, stopped in their tracks, slow, failing, refused, doubled; and what the run does."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from federation.run.events import ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.transport.admission import Limits
from tests.conftest import StartClient
from tests.faults.conftest import Join
from tests.support.dashboard import Api, running
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Stage
from tests.support.processes import Meadow, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def replies(api: Api, run_id: int, outcome: str) -> list[tuple[int, int, str]]:
    """Return round, client and reason of the train replies with that outcome in the committed rounds."""
    found = []
    for item in api.http.get(f"/api/runs/{run_id}/rounds").json()["items"]:
        trouble = [one for one in [*item["refusals"], *item["failures"]] if one["phase"] == "train"]
        found += [(item["round"], one["client_id"], one["reason"]) for one in trouble if one["outcome"] == outcome]
    return found


def test_a_run_loses_one_client_of_three_and_goes_on_loses_another_waits_and_goes_on_when_it_is_back(
    meadow: Meadow, api: Api, join: Join
) -> None:
    processes = {name: join(meadow.flower_address, name) for name in ("site-a", "site-b", "site-c")}
    ids = {one["name"]: one["id"] for one in api.wait_for_clients(3)}
    run_id = api.start_run(num_rounds=1000, synthetic_seconds=0.5, quorum_timeout_seconds=60)
    wait_until(lambda: api.run(run_id)["current_round"] >= 1)

    processes["site-c"].kill()
    at = api.run(run_id)["current_round"]
    wait_until(lambda: api.run(run_id)["current_round"] >= at + 3, what="three more rounds without site-c")
    lost = replies(api, run_id, "lost")
    assert len(lost) <= 1 and all(one[1:] == (ids["site-c"], "connection lost") for one in lost)
    items = api.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert items[-1]["replies"]["train"] == 2

    processes["site-b"].kill()
    killed = time.monotonic()

    def quorum() -> dict[str, Any]:
        blocked = api.run(run_id)["blocked_on"] or {}
        return blocked if blocked.get("kind") == "quorum" else {}

    blocked = wait_until(quorum, 4, "the run says that it waits")
    took = time.monotonic() - killed
    assert blocked["sentence"] == "1 of 2 clients are online; the run needs 1 more"
    assert blocked["deadline"] is not None and "stop" in blocked["actions"]
    assert "python -m federation.client" in api.http.get(f"/runs/{run_id}").text, "the page says how to join"
    assert took < 2.5, f"it said so after {took:.1f} s"
    assert api.run(run_id)["state"] == "waiting"

    at = api.run(run_id)["current_round"]
    processes["site-b"].start()
    started = time.monotonic()
    wait_until(lambda: api.run(run_id)["current_round"] > at, 20, "a round with the client that was started again")
    assert time.monotonic() - started < 10
    assert {one["name"]: one["id"] for one in api.wait_for_clients(2)} == ids
    rounds = api.rounds(run_id)
    assert rounds == list(range(len(rounds)))


def test_a_slow_client_is_late_a_failing_one_is_quoted_and_both_are_asked_again(
    tmp_path: Path, client: StartClient
) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name)
        engine.wait_online(2)
        slow = client(engine.address, "slow", "--app", "tests.faults.sick_apps:slow")
        failing = client(engine.address, "failing", "--app", "tests.faults.sick_apps:failing")
        engine.wait_online(4)
        ids = {member.name: member.client_id for member in engine.server.lane.members()}
        assert engine.ledger.wait_end(engine.start_run(num_rounds=3, round_timeout_seconds=1.0)) is RunState.COMPLETED
        trained = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]
        late = [(r.round, r.outcome, r.reason) for r in trained if r.client_id == ids["slow"]]
        assert late == [(number, "late", "no reply within 1 s") for number in (1, 2, 3)]
        said = [(r.round, r.outcome, r.reason) for r in trained if r.client_id == ids["failing"]]
        assert [(number, outcome) for number, outcome, _ in said] == [(1, "failed"), (2, "failed"), (3, "failed")]
        assert {len(reason or "") for *_, reason in said} == {200}
        assert (said[0][2] or "").startswith("ValueError: the disk is very very")
        assert (slow.running.poll(), failing.running.poll()) == (None, None)
        assert slow.interrupt(3) == failing.interrupt(3) == 0


def test_a_client_waits_for_approval_is_thrown_out_by_its_double_and_ends_when_it_is_revoked(
    tmp_path: Path, client: StartClient
) -> None:
    with running(tmp_path, admission="approve") as dashboard:
        site = ("site-a", "--dataset", "synthetic")
        first = client(dashboard.flower_address, *site)
        first.wait_for_output("pending approval")
        (waiting,) = dashboard.http.get("/api/clients").json()["items"]
        assert waiting["state"] == "pending"
        run_id = dashboard.start_run(min_clients=1, num_rounds=2)
        dashboard.wait_for_state(run_id, "waiting")
        assert dashboard.http.post(f"/api/clients/{waiting['id']}/approve").status_code == 200
        dashboard.wait_for_state(run_id, "completed")

        second = client(dashboard.flower_address, *site)
        assert first.wait() == 8
        assert "superseded" in first.output
        double = dashboard.start_run(min_clients=1, num_rounds=3)
        dashboard.wait_for_state(double, "completed")
        items = dashboard.http.get(f"/api/runs/{double}/rounds").json()["items"]
        assert [item["replies"].get("train", 0) for item in items] == [0, 1, 1, 1], "one vote a round"

        assert dashboard.http.post(f"/api/clients/{waiting['id']}/revoke").status_code == 200
        assert second.wait() == 5
        third = client(dashboard.flower_address, *site)
        assert third.wait() == 5
        assert "this client was revoked" in third.output
        assert third.output.count("connected to") == 1, "a refused client does not try again"


def test_a_client_that_stands_still_is_stale_then_offline_and_comes_back(tmp_path: Path, join: Join) -> None:
    """SIGSTOP: the socket stays open, nothing is answered. The limits are shorter than those of the product."""
    limits = Limits(ping_seconds=0.3, pong_seconds=2.5, stale_seconds=1.0)
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name)
        still = join(engine.address, "still")
        engine.wait_online(3)
        (still_id,) = [m.client_id for m in engine.server.lane.members() if m.name == "still"]
        run_id = engine.start_run(num_rounds=100_000, round_timeout_seconds=60.0)
        engine.ledger.wait(lambda: committed(engine) > 3)
        still.running.send_signal(signal.SIGSTOP)
        try:
            live = engine.server.live_clients
            engine.ledger.wait(lambda: still_id in live() and live()[still_id].state == "stale", 10)
            engine.ledger.wait(lambda: still_id not in live(), 10)
            at = committed(engine)
            engine.ledger.wait(lambda: committed(engine) > at + 3)
        finally:
            still.running.send_signal(signal.SIGCONT)
        lost = [r for r in engine.ledger.of(ReplyRecorded) if r.outcome not in ("accepted",)]
        assert {(r.client_id, r.outcome, r.reason) for r in lost} == {(still_id, "lost", "connection lost")}
        engine.ledger.wait(lambda: still_id in live(), 10)
        asked = committed(engine)
        engine.ledger.wait(lambda: any(
            r.client_id == still_id and r.round > asked and (r.phase, r.outcome) == ("train", "accepted")
            for r in engine.ledger.of(ReplyRecorded)
        ))  # fmt: skip
        engine.supervisor.stop(run_id)
        engine.ledger.wait_end(run_id)


def committed(engine: Engine) -> int:
    """Return how many rounds are committed, round 0 among them."""
    return len(engine.ledger.of(RoundDone))
