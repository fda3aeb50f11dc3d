"""Several active runs on one dashboard: what is recorded of each, and what pages and API say of all of them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from federation.run.config import RunConfig
from federation.run.events import AttemptFailed
from federation.run.states import RunState
from tests.support.books import Books, done, reply
from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import Answer, Stage, honest
from tests.support.processes import wait_until
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import list_rounds


def slow(task: Any, weights: bytes | None, layout: Any) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.02
    return answer


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with two active runs of a client each, and a third one that waits for two clients."""
    with running(tmp_path_factory.mktemp("parallel"), parallel_runs=3) as made, Stage(made.flower_address) as stage:
        for count, name in enumerate("abc", 1):
            stage.add(name, slow)
            made.wait_for_clients(count)
        for _ in range(2):
            made.start_run(min_clients=1, max_clients=1, num_rounds=10_000)
        made.start_run(min_clients=2, num_rounds=10_000)
        yield made


def words(dashboard: Dashboard, address: str) -> str:
    """Return the text of a page, with single spaces."""
    answer = dashboard.http.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def wait_for_rounds(dashboard: Dashboard, *run_ids: int) -> None:
    before = {run_id: dashboard.run(run_id)["current_round"] for run_id in run_ids}
    wait_until(lambda: all(dashboard.run(one)["current_round"] >= number + 3 for one, number in before.items()))


def test_every_place_shows_all_active_runs(two: Dashboard) -> None:
    wait_for_rounds(two, 1, 2)
    clients = {one["name"]: one["run_id"] for one in two.http.get("/api/clients").json()["items"]}
    assert clients == {"a": 1, "b": 2, "c": None}
    assert two.run(3)["queue_position"] == 1
    home = words(two, "/")
    assert re.search(r"Other active runs 1 run #2 synthetic, synthetic .*1 client View run", home), home
    assert re.search(r"#2: Round \d+ completed, 1 of 1 update", home) and "c : free; the run takes at most 1" in home
    server = words(two, "/server")
    assert "Active: #1 and #2, 3 clients connected." in server and "up to 3 at a time" in server
    assert "behind #1 and #2: 1 run. Up to 3 runs are active at a time, each with clients of its own." in server
    assert "1 in #1, 1 in #2." in words(two, "/clients")
    assert "b in run #2" not in words(two, "/clients")
    assert re.search(r"\bb\b.{0,40}in run #2", words(two, "/runs/1"))
    form = words(two, "/experiments/new?network=synthetic&dataset=synthetic&synthetic_parameters=1000&seeds=3")
    assert re.search(r"Runs 3 Duration at most about \d", form), form
    assert "Up to 3 runs are active at a time where their clients differ" in form
    metrics = two.http.get("/metrics").text
    assert 'meadow_runs{state="running"} 2.0' in metrics and 'meadow_queue_length{held="false"} 1.0' in metrics


def test_the_replies_of_each_run_are_recorded_with_its_own_rounds(two: Dashboard) -> None:
    wait_for_rounds(two, 1, 2)
    with two.parts.database.read() as session:
        query = text(
            "SELECT r.run_id, r.round, count(p.id), min(p.client_id), max(p.client_id) FROM rounds r "
            "LEFT JOIN replies p ON p.run_id = r.run_id AND p.round = r.round AND p.phase = 'train' "
            "WHERE r.round > 0 GROUP BY 1, 2"
        )
        found = session.execute(query).all()
    assert {(run_id, amount, first, last) for run_id, _, amount, first, last in found} == {(1, 1, 1, 1), (2, 1, 2, 2)}


def test_one_run_is_stopped_while_the_other_goes_on_and_the_next_one_starts(two: Dashboard) -> None:
    refused = two.http.post("/api/runs/1/min_clients", json={"min_clients": 2})
    assert refused.status_code == 409 and "takes at most 1 client" in refused.json()["detail"]
    assert two.http.post("/api/runs/1/stop").status_code == 202
    assert two.wait_for_state(1, "stopped")["stopped_by"]
    wait_for_rounds(two, 2, 3)
    owners = {one["name"]: one["run_id"] for one in two.http.get("/api/clients").json()["items"]}
    assert owners == {"a": 3, "b": 2, "c": 3}


def test_a_maximum_below_the_minimum_is_refused(two: Dashboard) -> None:
    config = {"network": "synthetic", "dataset": "synthetic", "min_clients": 3, "max_clients": 2}
    assert named(two.http.post("/api/runs", json=config), 422) == {"max_clients"}


def test_what_two_active_runs_tell_stays_apart(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    one, two = books.start_run(), books.start_run()
    books.published.clear()
    books.runs.record(reply(two, 1, b, loss=3.0))
    books.runs.record(reply(one, 1, a, loss=1.0))
    books.runs.flush(one)
    assert [(event.type, event.run_id) for event in books.published] == [("reply", one)]
    books.runs.record(done(one, 1, loss=1.0))
    books.runs.record(AttemptFailed(one, 2, 1, "nobody answered"))
    books.runs.move(one, RunState.FAILED)
    books.runs.record(done(two, 1, loss=3.0))
    with books.database.read() as session:
        found = [[(p.client_id, p.value) for p in points_after(session, run) if p.client_id] for run in (one, two)]
        rounds = [list_rounds(session, run)[0].outcomes for run in (one, two)]
    assert found == [[(a, 1.0)], [(b, 3.0)]]
    assert rounds == [{"train": {"accepted": 1}}] * 2


def test_all_runs_that_were_active_are_resumed_in_their_order(books: Books) -> None:
    one, two = books.start_run(), books.start_run()
    waits = books.runs.create(RunConfig(seed=7)).id
    assert books.runs.restore(resume=True) == [one, two]
    starts = []
    while (job := books.runs.next_queued()) is not None:
        starts.append(job.run_id)
        assert books.runs.move(job.run_id, RunState.WAITING)
    assert starts == [one, two, waits]
