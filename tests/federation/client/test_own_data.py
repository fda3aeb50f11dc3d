"""Data of a client's own on the command line, in a simulation and on a SuperNode, and the training on them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from federation.client.options.own_data import node_values, own_data_options
from federation.client.tasks.own_data import BadNodeConfig, own_work_of
from federation.learning.client_app import Work
from federation.learning.data.own.own_data import MAX_SCHEMA_BYTES
from federation.learning.data.own.refusals import BadData
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema, ClientSchema
from federation.simulation.plan import Member, Plan
from federation.simulation.work import BadWork, works_of
from tests.support import learners
from tests.support.engine import Engine
from tests.support.light_client import Stage
from tests.support.own_data import write_digits
from tests.support.processes import ROOT

SECRET = "Miller"
NOTHING: dict[str, Any] = {
    "data": None, "name": None, "target": None, "ignore": None, "category": None, "task": None, "image_size": 8,
    "share_statistics": False, "min_rows": 10, "others": {},
}  # fmt: skip


def write_table(file: Path, rows: int = 60, offset: int = 0) -> Path:
    """A table whose class follows from its columns, with a column of names that no server may know."""
    rng = np.random.default_rng(offset)
    ages, wards = rng.uniform(20, 80, rows), rng.choice(["east", "west"], rows)
    lines = [
        f"{SECRET} {row},{age:.3f},{ward},{'ill' if age + 40 * (ward == 'west') > 70 else 'well'}"
        for row, age, ward in zip(range(rows), ages, wards, strict=True)
    ]
    file.write_text("\n".join(["name,age,ward,outcome", *lines]))
    return file


def schema_of(work: Work) -> ClientSchema:
    return ClientSchema.model_validate_json(json.dumps(work.data["schema"]))


def agreed(*works: Work) -> AgreedSchema:
    found = agree({number: schema_of(work) for number, work in enumerate(works)}).schema
    assert found is not None
    return found


def plan(clients: int, **own: Any) -> Plan:
    return Plan(
        host="localhost", port=1, prefix="sim", digits=1, partitions=clients, secret="0f" * 32,
        members=tuple(Member(number, number - 1) for number in range(1, clients + 1)),
        own_data=own_data_options(**NOTHING | own),
    )  # fmt: skip


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "federation.client", *arguments]
    environment = os.environ | {"COLUMNS": "300"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment)


def test_a_table_that_cannot_be_used_ends_the_client_before_it_connects(tmp_path: Path) -> None:
    file = write_table(tmp_path / "patients.csv")
    file.write_text(file.read_text().replace("\n", "\nJones,about 50,east,ill\n", 1))
    ended = started("--data", str(file), "--target", "outcome", "--ignore", "name", "--identity", str(tmp_path / "a"))
    assert ended.returncode == 3 and "Traceback" not in ended.stderr
    said = " ".join(ended.stderr.split())
    assert "row 2, column age: the cell is no number" in said and "'about 50'" in said


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a target without data": ({"target": "y"}, "--target needs --data"),
    "a dataset as well": ({"data": "t.csv", "others": {"--dataset": "mnist"}}, "--data does not go with --dataset"),
    "a published name": ({"data": "t.csv", "name": "digits"}, "is the name of a dataset that Meadow knows"),
    "a name with spaces": ({"data": "t.csv", "name": "my data"}, "--data-name has at most"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(typer.BadParameter, match=sentence):
        own_data_options(**NOTHING | options)


def test_an_app_finds_its_data_and_the_target_in_its_node_config(tmp_path: Path) -> None:
    given = own_data_options(**NOTHING | {"data": str(tmp_path / "t.csv"), "target": "y", "image_size": 32})
    assert node_values(given, "m:app") == {"data": str(tmp_path / "t.csv"), "target": "y"}
    assert node_values(given, None) == node_values(None, "m:app") == {}
    with pytest.raises(typer.BadParameter, match="it takes --target alone"):
        node_values(own_data_options(**NOTHING | {"data": "t.csv", "ignore": ["id"], "image_size": 32}), "m:app")


def test_a_simulation_divides_a_table_or_takes_a_file_for_each_client(tmp_path: Path) -> None:
    whole = write_table(tmp_path / "whole.csv", 61)
    options = {"target": "outcome", "ignore": ["name"], "name": "heart", "share_statistics": True}
    shares = [work for _, work, _ in works_of(plan(3, data=str(whole), **options), None)]
    assert [work.data["samples"] for work in shares] == [20, 20, 21]
    (alone,) = (work for _, work, _ in works_of(plan(1, data=str(whole), **options), None))
    assert agreed(*shares).columns[0].mean == pytest.approx(agreed(alone).columns[0].mean)

    for number in range(3):
        write_table(tmp_path / f"part-{number}.csv", 10 + number)
    pattern = str(tmp_path / "part-*.csv")
    files = works_of(plan(3, data=pattern, **options), None)
    assert [work.data["samples"] for _, work, _ in files] == [10, 11, 12]
    with pytest.raises(BadWork, match="3 files for 4 clients: --data must name a file for each") as refusal:
        works_of(plan(4, data=pattern, **options), None)
    assert refusal.value.code == 3


def test_a_plan_with_own_data_reaches_its_process(tmp_path: Path) -> None:
    sent = plan(2, data=str(tmp_path / "a.csv"), target="y", ignore=["id*"], share_statistics=True, min_rows=7)
    assert Plan.model_validate_json(sent.model_dump_json()) == sent


def test_a_supernode_reads_its_own_data(tmp_path: Path) -> None:
    file = write_table(tmp_path / "whole.csv")
    node = {
        "data": str(file),
        "target": "outcome",
        "ignore": "name, x*",
        "data-name": "heart",
        "share-statistics": True,
    }
    work = own_work_of(node, 0)
    assert work.data["dataset"] == "heart" and schema_of(work).shares_statistics
    assert [column.name for column in schema_of(work).columns] == ["age", "ward"]
    with pytest.raises(BadNodeConfig, match="node config: min-rows: Input should be greater than or equal to 1"):
        own_work_of(node | {"min-rows": 0}, 0)
    with pytest.raises(BadData) as refusal:
        own_work_of(node | {"target": "outcom"}, 0)
    assert str(file) not in str(refusal.value) and SECRET not in str(refusal.value)


def test_a_client_tells_its_schema_and_no_path_or_cell(tmp_path: Path) -> None:
    file = write_table(tmp_path / f"{SECRET}.csv")
    ((_, work, _),) = works_of(plan(1, data=str(file), target="outcome", ignore=["name"], share_statistics=True), None)
    told = json.dumps(work.data)
    assert SECRET not in told and str(tmp_path) not in told and "east" in told
    assert work.data["source"] == "table"


def test_a_hello_tells_many_names_and_more_are_refused(tmp_path: Path, engine: Engine, stage: Stage) -> None:
    file = tmp_path / "wide.csv"
    names = [f"{number} {'ä' * 30}" for number in range(1000)]
    file.write_text("\n".join([",".join([*names, "y"]), *[",".join(["1"] * 1000 + [str(row)]) for row in range(2)]]))
    with pytest.raises(BadWork, match="have more than 200,000 bytes: leave columns out with --ignore"):
        works_of(plan(1, data=str(file), target="y"), None)
    ((_, work, _),) = works_of(plan(1, data=str(file), target="y", ignore=["9*", "8*"]), None)
    assert len(json.dumps(work.data)) > 0.8 * MAX_SCHEMA_BYTES
    stage.add("wide", **work.data)
    engine.wait_online(1)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "images", "arrays"])
def test_clients_with_own_data_learn(tmp_path: Path, form: str) -> None:
    options: dict[str, Any] = {"data": str(tmp_path / form), "share_statistics": True}
    if form == "table":
        options |= {"data": str(write_table(tmp_path / "table.csv", 200)), "target": "outcome", "ignore": ["name"]}
    elif form == "images":
        write_digits(tmp_path / "images", 300)
    else:
        x = np.random.default_rng(0).normal(size=(200, 3))
        np.savez(tmp_path / "arrays.npz", x=x, y=x @ [1.0, -2.0, 3.0] + 5)
        options["data"] = str(tmp_path / "arrays.npz")
    works = [work for _, work, _ in works_of(plan(2, **options), None)]
    schema = agreed(*works).model_dump_json()
    run = learners.settings(network="mlp", local_epochs=5, learning_rate=0.01) | {"dataset": form, "schema": schema}
    prepared = works[0].prepare(run)
    assert prepared["samples"] == {"train": works[0].data["samples"] * 4 // 5, "test": works[0].data["samples"] // 5}
    before, after = learners.first_weights(run), None
    first = learners.metrics(learners.ask(works[1], "evaluate", before, run))
    for _ in range(3):
        after = learners.arrays(learners.ask(works[0], "train", after or before, run))
    assert after is not None
    last = learners.metrics(learners.ask(works[1], "evaluate", after, run))
    assert last["loss"] < first["loss"] * 0.7
    if form != "arrays":
        assert last["accuracy"] > 0.75
