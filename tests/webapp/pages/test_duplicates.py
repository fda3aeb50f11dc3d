"""Duplicates of runs, whose form has every value of the run exactly, but not the settings of other networks."""

import io
import json

import numpy as np
import pytest

from tests.support.dashboard import Dashboard
from tests.support.markup import get_page
from tests.webapp.pages.test_start_form import fields
from webapp.pages.start.copies import copy_name
from webapp.pages.start.form import parse_form


def test_a_duplicate_takes_every_value_exactly_but_name_and_seed(dashboard: Dashboard) -> None:
    given = {
        "num_rounds": 7, "learning_rate": 0.00012345678, "fraction_train": 1 / 3, "max_weight_share": 0.55,
        "dirichlet_alpha": 0.1 + 0.2, "partitioner": "dirichlet", "round_timeout_seconds": 90.123456789012,
        "steps_per_epoch": 3, "strategy": "FedProx", "strategy_options": {"proximal_mu": 1e-7},
    }  # fmt: skip
    dashboard.start_run()  # the others wait behind it: no network is built
    dashboard.start_run(name="First", network="mlp", dataset="digits", seed=11, **given)
    page = get_page(dashboard.http, "/runs/new?from=2")
    values = fields(page)
    assert "To repeat #2, enter its seed 11" in page.text
    assert [values[name] for name in ("name", "seed", "data_seed")] == ["First (copy)", "", "11"]

    dashboard.http.post("/runs", data=values)
    first, second = dashboard.run(2)["config"], dashboard.run(3)["config"]
    assert {name: second[name] for name in given} == given
    assert [name for name in first if first[name] != second[name]] == ["name", "seed", "data_seed"]
    again = fields(get_page(dashboard.http, "/runs/new?from=3"))
    assert (again["name"], again["data_seed"]) == ("First (copy 2)", "11")
    get_page(dashboard.http, "/runs/new?from=99", status=404)


@pytest.mark.parametrize(("name", "copy"), [
    ("A", "A (copy)"), ("A (copy)", "A (copy 2)"), ("A (copy 9)", "A (copy 10)"), ("x" * 100, f"{'x' * 93} (copy)"),
])  # fmt: skip
def test_a_copy_has_a_name_of_its_own(name: str, copy: str) -> None:
    assert copy_name(name) == copy


OPTIONS: dict[str, object] = {"penalty": "l2 – ä", "C": 0.1 + 0.2, "epochs": 3, "shuffle": True}


def test_an_own_model_has_options_of_its_app_and_none_of_keras(dashboard: Dashboard) -> None:
    with io.BytesIO() as file:
        np.savez(file, w=np.zeros(3, np.float32))
        kept = dashboard.http.post("/api/weights", files={"file": file.getvalue()}).json()["id"]
    body = {"network": "custom", "initial_weights": kept, "app_config": OPTIONS, "optimizer": "sgd"}
    assert dashboard.http.post("/api/runs", json=body).status_code == 201
    values = fields(get_page(dashboard.http, "/runs/new?from=1"))
    assert json.loads(values["app_config"] or "") == OPTIONS
    dashboard.http.post("/runs", data=values)
    first, second = (dashboard.run(run_id) for run_id in (1, 2))
    assert second["config"] == {**first["config"], "seed": second["config"]["seed"]}
    assert second["config"]["app_config"] == OPTIONS and second["name"] == "Own model"
    assert not {"dataset", "partitioner", "loss", "optimizer", "batch_size", "data_seed"} & set(second["config"])

    page = get_page(dashboard.http, "/runs/2")
    lines = {line.one("dt").text: line.one("dd").text for line in page.one("dl", class_="config").all("div")}
    assert json.loads(lines["App options"]) == OPTIONS
    assert not {"Dataset", "Data partitioning", "Loss", "Optimizer", "Batch size", "Steps per epoch"} & set(lines)
    assert "own data" in get_page(dashboard.http, "/runs").one("tr", id="run-2").text
    dashboard.http.post("/runs", data=values | {"app_config": '{"penalty": "l1"}'})
    settings = get_page(dashboard.http, "/runs/compare?id=2&id=3").one("section", aria_labelledby="settings-h")
    assert "App options" in settings.text


@pytest.mark.parametrize(("typed", "sentence"), [
    ("{penalty: l2}", "Not a JSON object"), ("[1]", "Not a JSON object"), ("[" * 5000, "Not a JSON object"),
    ('{"a": [1]}', "a: must be a number"), ('{"a": NaN}', "a: must be a number"), ('{"": 1}', "The name of an option"),
    ('{"a": 99999999999999999999}', None),
    (json.dumps({str(number): 1 for number in range(101)}), "At most 100 options"),
], ids=lambda value: str(value)[:20])  # fmt: skip
def test_options_of_an_app_that_cannot_be_read_are_named_at_their_field(typed: str, sentence: str | None) -> None:
    form = parse_form([("network", "custom"), ("initial_weights", "0" * 64), ("app_config", typed)])
    assert list(form.errors) == (["app_config"] if sentence else [])
    assert form.errors.get("app_config", "").startswith(sentence or "")
    assert form.values["app_config"] == typed
