"""Data of clients' own on a dashboard: names, columns by clients, statistics, and a run with an agreed schema."""

import csv
import io

import numpy as np
import pytest

from federation.schema.columns import AgreedSchema
from tests.support.dashboard import Dashboard, named
from tests.support.light_client import Stage
from tests.support.markup import get_page
from tests.support.processes import wait_until
from tests.support.schemas import table, texts
from tests.webapp.own_data.hospitals import AGES, SIZES, hospitals, join


def test_columns_by_clients_are_compared_before_any_run(dashboard: Dashboard, stage: Stage) -> None:
    join(dashboard, stage, "wards", **hospitals(), east=table({"size": None}, texts("age", "unknown", "young")))
    assert dashboard.http.get("/api/data").json() == {
        "items": [{"name": "wards", "clients": 4, "rows": 589, "form": "table", "target": "outcome"}]
    }
    compared = dashboard.http.get("/api/data/wards").json()
    assert [client["misfit"] for client in compared["clients"]] == [
        None, None, None, "column age: holds text such as “unknown”, the run needs numbers",
    ]  # fmt: skip
    fits = {one["name"]: (one["used"], [cell["fit"] for cell in one["cells"]]) for one in compared["columns"]}
    assert fits == {
        "age": (True, ["fits", "fits", "fits", "other kind"]), "extra": (False, ["fits", *["missing"] * 3]),
        "size": (True, ["fits"] * 4),
    }  # fmt: skip
    form = get_page(dashboard.http, "/runs/new?network=mlp&dataset=wards")
    beside = get_page(dashboard.http, "/experiments/new?network=mlp&dataset=wards&learning_rate=0.1,0.01")
    assert "wards" in [option["value"] for option in form.one("select", id="dataset").all("option")]
    rows = [row.text for row in form.one("details", id="own-data-columns").all("tr")]
    assert rows == [
        "Column north south west east", "age number number number category",
        "extra (not used) number missing missing missing", "size number number number number",
    ]  # fmt: skip
    said = beside.one("div", id="start-sum").text
    assert [row.text for row in beside.one("details", id="own-data-columns").all("tr")] == rows
    assert (
        "east: column age: holds text such as “unknown”, the run needs numbers" in said and "Configurations 2" in said
    )
    said = form.one("div", id="start-sum").text
    assert "east : column age: holds text such as “unknown”, the run needs numbers" in said and "3 of 4 online" in said
    assert "642 parameters" in said  # of two inputs, 128 hidden units and two classes
    assert named(dashboard.http.get("/api/data/none-such"), 404) == set()
    client = dashboard.http.get("/api/clients").json()["items"][0]
    assert client["data"]["schema"] == {
        "form": "table", "task": "classes", "target": "outcome", "rows": 190, "columns": 3, "classes": 2,
    }  # fmt: skip


def test_statistics_over_all_clients_are_numpys_over_the_joined_table(dashboard: Dashboard, stage: Stage) -> None:
    join(dashboard, stage, "wards", **hospitals(), silent=table({"age": None, "size": None}))
    answer = dashboard.http.get("/api/data/wards/statistics").json()
    assert answer["clients"] == ["north", "south", "west"]
    target, *columns = answer["columns"]
    assert target["categories"][0] == {"client": "all clients", "counts": {"no": 371, "yes": None}}
    for column, parts in zip(columns, (AGES, SIZES), strict=True):
        for told, values in zip(column["numbers"], (np.concatenate(parts), *parts), strict=True):
            assert told["count"] == len(values)
            assert told["mean"] == pytest.approx(values.mean(), rel=1e-9)
            assert told["standard_deviation"] == pytest.approx(values.std(), rel=1e-9)
    lines = list(csv.DictReader(io.StringIO(dashboard.http.get("/api/data/wards/statistics.csv").text)))
    assert [(one["column"], one["client"]) for one in lines if one["column"] == "age"] == [
        ("age", "all clients"), ("age", "north"), ("age", "south"), ("age", "west"),
    ]  # fmt: skip
    page = get_page(dashboard.http, "/data/wards")
    pictures = [one["aria-label"] for one in page.all("svg", class_="labels")]
    assert pictures == [
        "north: largest class no with 53 percent of the samples",
        "south: largest class no with 53 percent of the samples",
    ]  # west tells no number of its few rows
    assert f"{np.concatenate(AGES).mean():.5g}" in page.one("section", aria_labelledby="statistics-h").text


def test_two_clients_of_one_name_both_count(dashboard: Dashboard, stage: Stage) -> None:
    for ages in AGES[:2]:
        stage.add("twin", dataset="twins", schema=table({"age": ages}, rows=len(ages)))
        dashboard.wait_for_clients(len(stage.clients))
    answer = dashboard.http.get("/api/data/twins/statistics").json()
    (age,) = [column for column in answer["columns"] if column["name"] == "age"]
    assert [one["count"] for one in age["numbers"]] == [401, 190, 211]
    assert len(set(answer["clients"])) == 2 and all(name.startswith("twin (#") for name in answer["clients"])


def test_a_run_trains_on_what_its_clients_agreed_on_and_refuses_who_does_not_fit(
    dashboard: Dashboard, stage: Stage
) -> None:
    join(dashboard, stage, "wards", **hospitals())
    run_id = dashboard.start_run(network="mlp", dataset="wards", num_rounds=2, min_clients=3)
    dashboard.wait_for_state(run_id, "completed", timeout=90)
    tasks = [task for client in stage.clients for task in client.tasks]
    schemas = {task.config["schema"] for task in tasks}
    agreed = AgreedSchema.model_validate_json(schemas.pop())
    assert not schemas and {task.phase for task in tasks} == {"prepare", "train", "evaluate"}
    assert [column.name for column in agreed.columns] == ["age", "size"] and agreed.classes == ["no", "yes"]
    assert agreed.columns[0].mean == pytest.approx(np.concatenate(AGES).mean(), rel=1e-9)

    stage.add("late", dataset="wards", schema=table({"size": None}))
    dashboard.wait_for_clients(4)
    assert dashboard.http.post(f"/api/runs/{run_id}/rounds", json={"add": 1}).status_code == 202
    wait_until(lambda: len(dashboard.rounds(run_id)) == 4)
    dashboard.wait_for_state(run_id, "completed")
    assert {task.config["schema"] for task in stage.clients[0].tasks} == {tasks[0].config["schema"]}
    assert stage.clients[3].tasks == []
    events = get_page(dashboard.http, f"/runs/{run_id}").text
    assert "has no column age, which the run needs" in events
    assert "The clients agreed on 2 columns and the classes no, yes of outcome" in events

    http = dashboard.http
    evaluation = http.post("/api/runs", json={"kind": "evaluation", "evaluated_run": run_id}).json()["id"]
    dashboard.wait_for_state(evaluation, "completed")
    evaluated = stage.clients[0].tasks[-1]
    assert (evaluated.run_id, evaluated.config["client_metrics"]) == (evaluation, "all")
    assert evaluated.config["schema"] == tasks[0].config["schema"], "clients encode as in the training"
    schema = http.get(f"/api/runs/{run_id}/schema").json()
    assert AgreedSchema.model_validate(schema) == agreed
    assert http.get(f"/api/runs/{run_id}/model?format=keras").status_code == 200
    archive = http.get(f"/api/runs/{run_id}/export").content
    imported = http.post("/api/runs/import", files={"file": ("run.zip", archive)}).json()
    assert http.get(f"/api/runs/{imported['id']}/schema").json() == schema


def test_a_client_that_comes_back_with_another_table_is_compared_anew(dashboard: Dashboard, stage: Stage) -> None:
    def columns() -> list[str]:
        return [column["name"] for column in dashboard.http.get("/api/data/back").json()["columns"]]

    first = stage.add("north", dataset="back", schema=table({"age": None}))
    dashboard.wait_for_clients(1)
    assert columns() == ["age"]
    stage.add("north", dataset="back", schema=table({"size": None}), key=first.key)
    wait_until(lambda: columns() == ["size"])


def test_data_that_no_run_can_train_on_fail_with_the_reason_before_anything_is_built(
    dashboard: Dashboard, stage: Stage
) -> None:
    join(dashboard, stage, "odd", first=table({"a": None}), second=table({"b": None}))
    run_id = dashboard.start_run(network="mlp", dataset="odd", num_rounds=1)
    run = dashboard.wait_for_state(run_id, "failed")
    assert run["reason"] == "The clients' odd cannot be trained on: the clients' tables have no column in common"


def test_a_name_that_no_client_holds_is_warned_of_and_waits(dashboard: Dashboard, stage: Stage) -> None:
    join(dashboard, stage, "wards", north=table({"age": None}))
    http = dashboard.http
    for name, meant in (("fashion-mnist", "fashion_mnist"), ("Wrads", "wards"), ("zebra", "")):
        answer = http.post("/api/runs", json={"network": "mlp", "dataset": name})
        assert answer.status_code == 201, "clients may join later"
        said, run_id = answer.json()["warnings"], answer.json()["id"]
        hint = f"Did you mean {meant}? " if meant else ""
        known = f"No known client holds data named {name}. {hint}The run waits until clients join that hold it"
        assert said == [f"{known}."]
        assert known in get_page(http, f"/runs/{run_id}").text
        assert f"{known}." in get_page(http, f"/runs/new?network=mlp&dataset={name}").one("aside").text
        assert f"{known}." in get_page(http, f"/experiments/new?network=mlp&dataset={name}").one("aside").text
        assert http.post(f"/api/runs/{run_id}/stop").status_code == 202
    for held in ({"dataset": "wards"}, {"dataset": "mnist"}, {"network": "synthetic", "dataset": "synthetic"}):
        answer = http.post("/api/runs", json={"network": "mlp", **held}).json()
        assert answer["warnings"] == []
        assert http.post(f"/api/runs/{answer['id']}/stop").status_code == 202


@pytest.mark.parametrize("name", ["a b", "-x", "ä", "a" * 41, ""])
def test_a_name_of_data_is_a_short_word(dashboard: Dashboard, name: str) -> None:
    body = {"network": "mlp", "dataset": name}
    assert named(dashboard.http.post("/api/runs", json=body), 422) == {"dataset"}
