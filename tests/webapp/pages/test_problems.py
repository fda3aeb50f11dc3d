"""What pages say where something went wrong: a completed run, repeated failures, a wait that a known client ends."""

from typing import Any

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, honest
from tests.support.markup import Element, flash_of, get_both, get_page
from tests.support.processes import wait_until
from webapp.db.repository.queue.order import hold_queue


def fails_to_train(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    if task.phase == "train":
        answer.error = "ValueError: no column age"
    return answer


def another_shape(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    if task.phase == "prepare":
        return Answer(metrics={}, num_examples=None, data={"layout": [["w", [3], "float32"]]})
    return honest(task, weights, layout)


def events(dashboard: Dashboard, address: str) -> list[str]:
    log = get_page(dashboard.http, address).one("section", id="events")
    return [line.one("span").text for line in log.all("li")]


def test_a_completed_run_says_its_problems_and_repeated_failures_are_one_event(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for name, answer in (("site-a", honest), ("site-b", honest), ("site-c", fails_to_train)):
            stage.add(name, answer)
        dashboard.wait_for_clients(3)
        run_id = dashboard.start_run(num_rounds=8)
        run = dashboard.wait_for_state(run_id, "completed")
        problem = "site-c failed 8 times (ValueError: no column age)"
        assert run["reason"] == f"Completed with problems: {problem}"
        page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
        lede = page.one("section", class_="lede").text
        assert "Completed with problems" in page.one("p", class_="crumb").text
        assert f"Completed 8 rounds with problems, accuracy 90.0\u202f%. {problem}." in lede
        row = get_page(dashboard.http, "/runs").one("tr", id=f"run-{run_id}")
        assert "Completed with problems" in row.text and problem in row.text
        assert "Completed with problems" in get_page(dashboard.http, "/").text

        said = "site-c failed in rounds 1 to 8, 8 times: ValueError: no column age"
        assert events(dashboard, f"/runs/{run_id}?events=trouble") == [said]
        everything = events(dashboard, f"/runs/{run_id}")
        assert (everything.count(said), sum("site-c failed in" in line for line in everything)) == (1, 1)
        assert f"Completed with problems: {problem}" in everything

        sound = dashboard.start_run(num_rounds=1, clients=["site-a", "site-b"])
        assert dashboard.wait_for_state(sound, "completed")["reason"] is None
        assert "problems" not in get_page(dashboard.http, f"/runs/{sound}").one("section", class_="lede").text


def waits_for_a_client(dashboard: Dashboard, run_id: int) -> Element:
    """Return the box of the wait, once the run waits for clients."""
    wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("kind") == "quorum")
    return get_both(dashboard.http, f"/runs/{run_id}", "run-page").one("section", class_="block")


def test_a_wait_offers_the_excluded_client_first_and_no_simulated_client(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        ids = {one["name"]: one["id"] for one in dashboard.wait_for_clients(2)}
        run_id = dashboard.start_run(min_clients=3, num_rounds=2)
        block = waits_for_a_client(dashboard, run_id)
        assert [h3.text for h3 in block.all("h3")] == ["Connect 1 more client", "Or change the run"]
        assert block.all("form", action="/demo-clients"), "no other client is known"

        dashboard.http.post(f"/runs/{run_id}/exclude", data={"client_id": ids["site-b"]})
        dashboard.http.post(f"/runs/{run_id}/min_clients", data={"min_clients": "2"})
        wait_until(lambda: "1 of 2" in (dashboard.run(run_id)["blocked_on"] or {"sentence": ""})["sentence"])
        block = get_both(dashboard.http, "/", "home-page").one("section", class_="block")
        assert [h3.text for h3 in block.all("h3")] == ["Include 1 client", "Connect 1 more client", "Or change the run"]
        first = block.all("button", type="submit")[0]
        assert (first.text, first["aria-label"], first["class"]) == ("Include", "Include site-b", "primary")
        assert not block.all("form", action="/demo-clients")
        dashboard.http.post(f"/runs/{run_id}/include", data={"client_id": first["value"] or ""})
        assert dashboard.wait_for_state(run_id, "completed")["current_round"] == 2


def test_a_client_that_could_not_prepare_can_be_included_on_the_page(dashboard: Dashboard) -> None:
    dashboard.know_clients("site-z")
    with dashboard.stage() as stage:
        stage.add("site-a")
        client = stage.add("site-b", another_shape)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=1)
        wait_until(lambda: "1 of 2" in (dashboard.run(run_id)["blocked_on"] or {"sentence": ""})["sentence"])
        page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
        box, beside = page.one("section", class_="block"), page.one("section", aria_labelledby="other-h")
        assert [line.one("b").text for line in box.one("ul", class_="list").all("li")] == ["site-b", "site-z"]
        assert "could not prepare" in box.text and "site-z : offline" in box.text
        assert beside.one("button")["aria-label"] == "Include site-b"
        client.answer = honest
        dashboard.http.post(f"/runs/{run_id}/include", data={"client_id": beside.one("button")["value"] or ""})
        dashboard.wait_for_state(run_id, "completed")
        stage.add("late", dataset="digits")
        dashboard.wait_for_clients(3)
        own = get_page(dashboard.http, f"/runs/{run_id}")
        assert not own.all("section", aria_labelledby="other-h"), "who is online has nothing to do with an ended run"


def test_a_held_run_that_begins_was_started_not_resumed(dashboard: Dashboard) -> None:
    first, held = dashboard.start_run(min_clients=2), dashboard.start_run(min_clients=2)
    with dashboard.parts.database.write() as session:
        waits: dict[str, Any] = {"kind": "held", "sentence": "Held", "since": "2026-01-01T00:00:00Z"}
        hold_queue(session, waits | {"deadline": None, "actions": []})
    dashboard.http.post(f"/runs/{first}/stop")
    dashboard.wait_for_state(first, "stopped")
    answer = dashboard.http.post(f"/runs/{held}/resume")
    assert flash_of(get_page(dashboard.http, answer.headers["location"])) == "The run was started."
