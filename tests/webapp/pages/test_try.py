"""The page that tries a run's model, and the zip with which it predicts elsewhere."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from federation.learning.keras_backend import load_keras
from federation.run.config import RunConfig
from federation.schema.columns import AgreedColumn, AgreedSchema
from tests.support.dashboard import Dashboard, finished_run, named
from tests.support.markup import get_page, parse
from tests.support.processes import wait_until
from webapp.db.repository.runs import set_values
from webapp.http.security import MAX_BODY_BYTES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn:DeprecationWarning"),  # Keras saves a model
]

SCHEMA = AgreedSchema(
    form="table", task="classes", target="outcome", classes=["ill", "well"], columns=[
        AgreedColumn(name="age", kind="number", mean=50.0, deviation=10.0),
        AgreedColumn(name="ward", kind="category", categories=["east"]),
    ],
)  # fmt: skip


def add_model(dashboard: Dashboard, run_id: int) -> None:
    """A .keras beside the run's checkpoint that is sure: above the mean age a person is ill."""
    keras = load_keras()
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))
    model.set_weights([np.array([[5, -5], [0, 0], [0, 0]], np.float32), np.zeros(2, np.float32)])
    folder = dashboard.parts.settings.runs_dir / str(run_id)
    (checkpoint,) = {Path(run["file"]).name for run in [_checkpoint(dashboard, run_id)]}
    model.save(str((folder / checkpoint).with_suffix(".keras")))


def _checkpoint(dashboard: Dashboard, run_id: int) -> dict[str, str]:
    with dashboard.parts.database.write() as session:
        config = RunConfig(network="mlp", num_rounds=1).stored()
        set_values(session, run_id, config=config, network="mlp", agreed_schema=SCHEMA.model_dump(mode="json"))
        found = session.connection().exec_driver_sql(f"SELECT checkpoint FROM runs WHERE id = {run_id}").scalar_one()
    return dict(json.loads(found) if isinstance(found, str) else found)


def is_predicting() -> bool:
    return any("federation.learning.predict" in one.cmdline() for one in psutil.Process().children())


def test_a_row_is_predicted_by_the_best_round_and_a_wrong_one_is_refused_with_its_column(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    assert "Try it" not in get_page(dashboard.http, f"/runs/{run_id}").text
    assert dashboard.http.get(f"/runs/{run_id}/try").status_code == 404, "Meadow has no code for such a network"
    add_model(dashboard, run_id)
    run_page = get_page(dashboard.http, f"/runs/{run_id}").one("section", id="configuration")
    assert f"/runs/{run_id}/try" in [link["href"] for link in run_page.all("a")]

    address, form = f"/runs/{run_id}/try", get_page(dashboard.http, f"/runs/{run_id}/try").one("form", id="try-form")
    assert [label.text for label in form.all("label")][:2] == ["age", "ward"]
    assert [option.text for option in form.one("select").all("option")] == ["other or missing", "east"]
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(
            dashboard.http.post, address, timeout=100, data={"column-0": "71,5", "column-1": "east"}
        )
        pool = dashboard.parts.database.engine.pool
        wait_until(lambda: is_predicting() and pool.status().endswith("Current Checked out connections: 0"))
        told = parse(answer.result().text)
    assert told.one("section", id="prediction").all("dt")[0].text == "ill"
    assert told.one("section", id="prediction").all("dd")[0].text.startswith("100.0 %")
    assert told.one("input", id="column-0")["value"] == "71,5"
    wrong = dashboard.http.post(address, timeout=100, data={"column-0": "<b>old"})
    assert wrong.status_code == 422
    assert parse(wrong.text).one("p", id="case-error").text == "age: “<b>old” is not a number"

    table = b"ward,age\n" + b"west,20\n" * (MAX_BODY_BYTES // 8)
    uploaded = parse(dashboard.http.post(address, timeout=100, files={"file": ("case.csv", table)}).text)
    assert uploaded.one("section", id="prediction").all("dt")[0].text == "well"
    assert dashboard.http.post(address, timeout=100, files={"file": ("case.exe", b"x")}).status_code == 422

    archive = zipfile.ZipFile(io.BytesIO(dashboard.http.get(f"/api/runs/{run_id}/model?format=zip").content))
    assert set(archive.namelist()) == {"model.keras", "schema.json", "predict.py", "README.txt"}
    assert AgreedSchema.model_validate_json(archive.read("schema.json")) == SCHEMA
    assert b'[{"age": "1", "ward": "east"}]' in archive.read("README.txt")
    compile(archive.read("predict.py"), "predict.py", "exec")

    folder = dashboard.parts.settings.runs_dir / str(run_id)
    with zipfile.ZipFile(folder / f"{next(folder.glob('*.keras')).stem}.savedmodel", "w") as made:
        made.writestr("saved_model.pb", b"graph")
        made.writestr("variables/variables.index", b"index")
    packed = dashboard.http.get(f"/api/runs/{run_id}/model?format=savedmodel")
    assert f"run-{run_id}-round-1.savedmodel.zip" in packed.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(packed.content))
    assert {"saved_model/saved_model.pb", "saved_model/variables/variables.index", "schema.json", "predict.py"} < set(
        archive.namelist()
    )
    assert b"Needed: Python with tensorflow and numpy." in archive.read("README.txt")

    with dashboard.parts.database.write() as session:
        set_values(session, run_id, config=RunConfig(network="mlp", num_rounds=1, personal_layers="classes").stored())
    page = get_page(dashboard.http, f"/runs/{run_id}").one("section", id="configuration")
    assert "Shared layers of round 1" in page.text and "The personal layers stay at the clients" in page.text
    links = [link["href"] or "" for link in page.all("a")]
    assert not [link for link in links if any(word in link for word in ("try", "format=", "evaluate="))]
    body = {"kind": "evaluation", "evaluated_run": run_id}
    assert named(dashboard.http.post("/api/runs", json=body), 422) == {"evaluated_run"}
    assert dashboard.http.get(address).status_code == 404
    refused = dashboard.http.get(f"/api/runs/{run_id}/model?format=keras")
    assert refused.status_code == 409
    assert "the personal layers (classes) stay at the clients" in refused.json()["detail"]
    assert dashboard.http.get(f"/api/runs/{run_id}/model").status_code == 200
