"""Simulated clients that run an app: one that the owner of the machine allows, with data of the allowed folder."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.dashboard import Dashboard, named, running
from tests.support.markup import flash_of, get_page
from tests.webapp.operations.test_simulated_clients import online
from webapp.commands.new_app import write_app
from webapp.operations.simulation.app_clients import AllowedApps


@pytest.fixture
def with_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    """A dashboard whose owner allows an app that was made of a template, and a folder with a table for each client."""
    folder, table = write_app("ward", "tabular", tmp_path), tmp_path / "data" / "tables"
    table.mkdir(parents=True)
    for client in range(2):
        rows = np.column_stack([np.random.default_rng(client).standard_normal((60, 30)), [0, 1] * 30])
        rows[:, 3] += 8 * rows[:, -1]
        header = ",".join([*(f"x{number}" for number in range(30)), "ill"])
        np.savetxt(table / f"{client}.csv", rows, delimiter=",", header=header, comments="", fmt="%.6g")
    (tmp_path / "secret.csv").write_text("ill\n1\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    app, data = "wards=ward.client_app:app", tmp_path / "data"
    with running(tmp_path / "dashboard", app_clients=app, app_client_data=data) as dashboard:
        yield dashboard


def test_clients_of_an_allowed_app_are_started_by_its_name_with_data_and_settings(with_apps: Dashboard) -> None:
    http = with_apps.http
    form = get_page(http, "/clients").one("form", id="simulation")
    assert [one.text for one in form.one("select", id="simulation-app").all("option")] == ["Meadow’s networks", "wards"]
    assert [one.text for one in form.one("select", id="simulation-data").all("option")] == ["none", "tables"]
    for wrong, field in (
        ({"app": "os"}, "app"), ({"app": "os:system"}, "app"), ({"data": "tables"}, "app"),
        ({"app": "wards", "data": "../secret.csv"}, "data"), ({"app": "wards", "data": "/etc/passwd"}, "data"),
        ({"app": "wards", "data": "."}, "data"), ({"app": "wards", "node_config": {"data": "/x"}}, "node_config"),
    ):  # fmt: skip
        answer = http.post("/api/demo-clients", json={"count": 2, **wrong})
        assert named(answer, 422) == {field}, wrong
    assert http.post("/demo-clients", data={"count": "2", "app": "wards", "node_config": "target"}).status_code == 422
    pressed = http.post("/demo-clients", data={
        "count": "2", "app": "wards", "data": "tables", "node_config": 'target="ill"', "run": "1", "back": "/clients",
    })  # fmt: skip
    assert flash_of(get_page(http, pressed.headers["location"])) == (
        "Started 2 simulated clients on this machine with the app wards. Start their run with the network Own model."
    )
    listed = http.get("/api/demo-clients").json()["items"]
    assert [(one["app"], one["dataset"], one["partition"], one["partitions"]) for one in listed] == [
        ("wards", None, 0, 2), ("wards", None, 1, 2),
    ]  # fmt: skip
    online(http, 2)
    with io.BytesIO() as file:
        np.savez(file, np.zeros(30), np.zeros(1))
        kept = http.post("/api/weights", files={"file": file.getvalue()}).json()["id"]
    body = {"network": "custom", "initial_weights": kept, "num_rounds": 3, "app_config": {"local-epochs": 9}}
    run = with_apps.wait_for_state(http.post("/api/runs", json=body).json()["id"], "completed", "failed", timeout=60)
    assert run["state"] == "completed", run
    assert run["last_metrics"]["evaluate_accuracy"] > 0.9, run["last_metrics"]


def test_a_folder_of_data_that_cannot_be_listed_is_one_line_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    apps = AllowedApps({}, folder := tmp_path / "tables")
    assert apps.data == apps.data == []
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{folder} cannot be listed: no such file or directory; give --app-client-data a folder" in line
    folder.mkdir()
    (folder / "0.csv").touch()
    assert apps.data == ["0.csv"]
