"""Names of clients: a person gives one, the client calls itself another, runs mean the client."""

import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, LightClient, honest
from tests.support.markup import flash_of, get_page, parse
from tests.support.processes import wait_until


def test_a_name_given_by_a_person_stays_and_is_what_runs_know(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        first = stage.add("laptop-17")
        dashboard.wait_for_clients(1)
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        answer = dashboard.http.post("/clients/1/rename", data={"name": " st-anna "})
        assert answer.status_code == 303
        page = get_page(dashboard.http, answer.headers["location"])
        assert page.one("h1").text == "st-anna"
        assert flash_of(page) == "The client was renamed to st-anna. It calls itself laptop-17."
        run_id = dashboard.start_run(num_rounds=1, min_clients=1, clients=["st-anna"])
        dashboard.wait_for_state(run_id, "completed")

        again = LightClient(first.address, "laptop-18", key=first.key)
        stage.do(again.run())
        wait_until(lambda: first.closed is not None, what="the older connection's end")
        assert dashboard.http.get("/api/clients/1").json()["name"] == "st-anna"
        assert dashboard.http.post("/clients/1/rename", data={"name": ""}).status_code == 303
        assert dashboard.http.get("/api/clients/1").json()["name"] == "laptop-18"


def test_runs_that_chose_a_client_by_name_mean_the_same_client_after_it_is_renamed(dashboard: Dashboard) -> None:
    def slow(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        said.delay_seconds = 0.03
        return said

    def trained_in(site: LightClient) -> set[int]:
        return {task.run_id for task in site.tasks if task.phase == "train"}

    with dashboard.stage() as stage:
        chosen = stage.add("site-a", slow)
        dashboard.wait_for_clients(1)
        only = {"clients": ["site-a"], "min_clients": 1}
        stopped = dashboard.start_run(num_rounds=2000, **only)
        wait_until(lambda: dashboard.run(stopped)["current_round"] > 1, what="a round")
        dashboard.http.post(f"/api/runs/{stopped}/stop")
        dashboard.wait_for_state(stopped, "stopped")
        active = dashboard.start_run(num_rounds=2000, **only)
        queued = dashboard.start_run(num_rounds=2, clients=["site-z", "site-a"], min_clients=1)
        wait_until(lambda: dashboard.run(active)["current_round"] > 1, what="a round")

        dashboard.http.post("/api/clients/1/rename", json={"name": "st-anna"})
        newcomer = stage.add("site-a")
        dashboard.wait_for_clients(2)
        seen = dashboard.run(active)["current_round"]
        wait_until(lambda: dashboard.run(active)["current_round"] > seen + 3, what="rounds after the new name")
        page = get_page(dashboard.http, f"/runs/{active}")
        assert "site-a is not among" in page.one("section", aria_labelledby="other-h").text
        dashboard.http.post(f"/api/runs/{active}/stop")
        dashboard.wait_for_state(queued, "completed")
        dashboard.http.post(f"/api/runs/{stopped}/resume")
        resumed = dashboard.run(stopped)["current_round"]
        wait_until(lambda: dashboard.run(stopped)["current_round"] > resumed + 1, what="rounds of the resumed run")
        dashboard.http.post(f"/api/runs/{stopped}/stop")

    assert [dashboard.run(run)["config"]["clients"] for run in (stopped, active, queued)] == [
        ["st-anna"], ["st-anna"], ["site-z", "st-anna"],
    ]  # fmt: skip
    assert {stopped, active, queued} <= trained_in(chosen)
    assert not trained_in(newcomer), "a name that was given up lets nobody else in"


@pytest.mark.parametrize(("name", "said"), [("site-b", "is another client's name"), ("x" * 65, "at most 64")])
def test_a_name_that_cannot_be_given_stays_in_the_form(dashboard: Dashboard, name: str, said: str) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        stage.add("site-b")
        dashboard.wait_for_clients(2)
    answer = dashboard.http.post("/clients/1/rename", data={"name": name})
    assert answer.status_code == 422
    control = parse(answer.text).one("input", id="new-name")
    assert (control["value"], control["aria-invalid"]) == (name, "true")
    assert said in parse(answer.text).one(id="name-error").text
    assert dashboard.http.post("/api/clients/1/rename", json={"name": name}).status_code == 422
    assert dashboard.http.post("/clients/9/rename", data={"name": "x"}).status_code == 404
