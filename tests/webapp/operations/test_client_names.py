"""Names of clients: a person gives one, the client calls itself another, runs mean the client."""

import json
from pathlib import Path

import pytest
from alembic import command
from cryptography.hazmat.primitives.asymmetric import ec

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, LightClient, honest
from tests.support.markup import flash_of, get_page, parse
from tests.support.processes import wait_until
from webapp.db.database import Database
from webapp.db.migrations import migration_config


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
        assert flash_of(page) == "The client was renamed to st-anna. The client reports the name laptop-17."
        run_id = dashboard.start_run(num_rounds=1, min_clients=1, clients=["st-anna"])
        dashboard.wait_for_state(run_id, "completed")

        again = LightClient(first.address, "laptop-18", key=first.key)
        stage.do(again.run())
        wait_until(lambda: first.closed is not None, what="the older connection's end")
        assert dashboard.http.get("/api/clients/1").json()["name"] == "st-anna"
        assert dashboard.http.post("/clients/1/rename", data={"name": ""}).status_code == 303
        assert dashboard.http.get("/api/clients/1").json()["name"] == "laptop-18"


def test_a_run_means_the_clients_it_chose_whatever_they_are_called_later(dashboard: Dashboard) -> None:
    def slow(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        said.delay_seconds = 0.03
        return said

    def trained_in(client: LightClient) -> set[int]:
        return {task.run_id for task in client.tasks if task.phase == "train"}

    with dashboard.stage() as stage:
        chosen = stage.add("site-a", slow)
        dashboard.wait_for_clients(1)
        only = {"clients": ["site-a"], "min_clients": 1}
        stopped = dashboard.start_run(num_rounds=2000, **only)
        wait_until(lambda: dashboard.run(stopped)["current_round"] > 1, what="a round")
        dashboard.http.post(f"/api/runs/{stopped}/stop")
        dashboard.wait_for_state(stopped, "stopped")
        active = dashboard.start_run(num_rounds=2000, **only)
        queued = dashboard.start_run(num_rounds=2, clients=[1, "site-a"], min_clients=1)
        wait_until(lambda: dashboard.run(active)["current_round"] > 1, what="a round")

        dashboard.http.post("/api/clients/1/rename", json={"name": "st-anna"})
        newcomer = stage.add("site-a")
        dashboard.wait_for_clients(2)
        seen = dashboard.run(active)["current_round"]
        wait_until(lambda: dashboard.run(active)["current_round"] > seen + 3, what="rounds after the new name")
        page = get_page(dashboard.http, f"/runs/{active}")
        assert "site-a : not selected" in page.one("section", aria_labelledby="other-h").text
        assert "Clients st-anna" in page.one("section", id="configuration").text
        dashboard.http.post(f"/api/runs/{active}/stop")
        dashboard.wait_for_state(queued, "completed")
        dashboard.http.post(f"/api/runs/{stopped}/resume")
        resumed = dashboard.run(stopped)["current_round"]
        wait_until(lambda: dashboard.run(stopped)["current_round"] > resumed + 1, what="rounds of the resumed run")
        dashboard.http.post(f"/api/runs/{stopped}/stop")

    assert [dashboard.run(run)["config"]["clients"] for run in (stopped, active, queued)] == [[1]] * 3
    assert {stopped, active, queued} <= trained_in(chosen)
    assert not trained_in(newcomer), "a client that takes the name of a chosen one is not in its runs"


def test_a_second_client_that_calls_itself_like_a_chosen_one_is_not_in_the_run(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        waiting = dashboard.start_run(num_rounds=1, clients=["site-a"], min_clients=2)
        impostor = stage.add("site-a")
        dashboard.wait_for_clients(2)
        wait_until(
            lambda: "1 online but not eligible" in (dashboard.run(waiting)["blocked_on"] or {}).get("sentence", "")
        )
        dashboard.http.post(f"/api/runs/{waiting}/min_clients", json={"min_clients": 1})
        dashboard.wait_for_state(waiting, "completed")
        assert impostor.tasks == []

        refused = dashboard.http.post("/api/runs", json={"clients": ["site-a"]})
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {"field": "clients.0", "message": "2 clients are named site-a: use one of the ids 1, 2"}
        ]
        both = dashboard.start_run(num_rounds=1, clients=[1, 2])
        dashboard.wait_for_state(both, "completed")
        assert {task.run_id for task in impostor.tasks} == {both}


def test_a_run_of_a_release_that_knew_names_alone_is_resumed_with_the_same_client(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        stage.add("site-a", key=key)
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=50_000, clients=["site-a"], min_clients=1)
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 1, what="a round")
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        before = dashboard.wait_for_state(run_id, "stopped")["current_round"]
        url = dashboard.parts.settings.sqlalchemy_url
    database = Database(url)
    with database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0004")
        stored = connection.exec_driver_sql("SELECT config FROM runs").scalar_one()  # the ORM knows later columns
        assert json.loads(stored)["clients"] == ["site-a"]
    database.close()

    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        stage.add("site-a", key=key)
        dashboard.wait_for_clients(2)
        assert dashboard.http.post(f"/api/runs/{run_id}/resume").status_code == 202
        wait_until(lambda: dashboard.run(run_id)["current_round"] > before, what="a round after the resume")
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        assert dashboard.wait_for_state(run_id, "stopped")["config"]["clients"] == [1]
        assert [bool(client.tasks) for client in stage.clients] == [False, True]


@pytest.mark.parametrize(("name", "said"), [("site-b", "is the name of another client"), ("x" * 65, "at most 64")])
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
