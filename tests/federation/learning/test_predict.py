"""The script that goes with a downloaded model: it encodes rows as clients did, and tells classes and numbers."""

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.learning import predict
from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.keras_backend import load_keras
from federation.learning.networks.__main__ import main
from federation.learning.networks.building import build
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema
from federation.schema.spec import Spec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn:DeprecationWarning"),  # Keras saves a model
]

ROWS = [
    f"{age},{ward},2024-0{month}-11,{dose},{outcome}"
    for age, ward, month, dose, outcome in [
        ("51", "east", 1, "0.5", "ill"), ("", "west", 2, "1e-2", "well"), ("33.5", "", 3, "7", "ill"),
        ("40", "north", 4, "?", "well"), ("29", "east", 5, "2", "well"), ("77", "west", 6, "3", "ill"),
    ]
]  # fmt: skip
TABLE = "\n".join(["age,ward,seen,dose,outcome", *ROWS])


def held(folder: Path, target: str) -> tuple[OwnData, AgreedSchema]:
    (folder / "table.csv").write_text(TABLE)
    data = read(folder / "table.csv", Options(target=target), Sharing(statistics=True, min_rows=2))
    schema = agree({1: data.schema}).schema
    assert schema is not None
    return data, schema


def saved(folder: Path, schema: AgreedSchema) -> Any:
    """A model with seeded weights, as a folder of a download has it."""
    model = build("mlp", Spec.agreed(schema))
    model.set_weights([np.random.default_rng(1).normal(size=one.shape) for one in model.get_weights()])
    model.save(folder / "model.keras")
    (folder / "schema.json").write_text(schema.model_dump_json())
    return model


def as_trained(data: OwnData, schema: AgreedSchema) -> set[tuple[float, ...]]:
    part = data.part(schema, 1)
    return {tuple(row.tolist()) for samples in (part.train, part.test) for row in samples.images}


@pytest.mark.parametrize("target", ["outcome", "age"])
def test_rows_are_encoded_as_clients_encode_them(tmp_path: Path, target: str) -> None:
    data, schema = held(tmp_path, target)
    cases = predict.cases_of(schema.model_dump(), tmp_path / "table.csv")
    cases = [case for case in cases if target != "age" or case["age"]]  # a client passes over rows without a target
    encoded = predict.encode(schema.model_dump(), cases)
    assert {tuple(row.tolist()) for row in encoded} == as_trained(data, schema)


def test_the_script_tells_classes_with_their_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, schema = held(tmp_path, "outcome")
    model = saved(tmp_path, schema)
    monkeypatch.setenv("MODEL_FOLDER", str(tmp_path))
    assert predict.main([str(tmp_path / "table.csv")]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    encoded = predict.encode(schema.model_dump(), predict.cases_of(schema.model_dump(), tmp_path / "table.csv"))
    for one, output in zip(told, np.asarray(model(encoded)), strict=True):
        assert one["probabilities"] == pytest.approx({"ill": float(output[0]), "well": float(output[1])}, abs=1e-5)
        assert one["prediction"] == ["ill", "well"][int(output.argmax())]
    (tmp_path / "bad.csv").write_text("age,seen\nold,2024-01-01\n")
    assert predict.main([str(tmp_path / "bad.csv")]) == 1
    assert capsys.readouterr().err == "age: “old” is not a number\n"


def test_a_small_file_with_large_arrays_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = {"form": "arrays", "shape": [4], "task": "number", "target": "y", "columns": []}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    np.savez_compressed(tmp_path / "case.npz", x=np.zeros((100_000, 4)))
    monkeypatch.setenv("MODEL_FOLDER", str(tmp_path))
    monkeypatch.setattr(predict, "MAX_UNPACKED_BYTES", 2**20)
    assert predict.main([str(tmp_path / "case.npz")]) == 1
    assert capsys.readouterr().err == "the arrays take more than 1 MiB\n"
    np.savez(tmp_path / "other.npz", y=np.zeros(4))
    assert predict.main([str(tmp_path / "other.npz")]) == 1
    assert capsys.readouterr().err == "the file has no array x\n"


def test_a_number_is_told_in_its_unit(tmp_path: Path) -> None:
    _, schema = held(tmp_path, "age")
    model = saved(tmp_path, schema)
    case = {"ward": "east", "seen": "2024-01-11", "dose": "0,5"}
    output = float(np.asarray(model(predict.encode(schema.model_dump(), [case])))[0, 0])
    loaded, meaning = predict.load(tmp_path)
    (told,) = predict.predict(loaded, meaning, [case])
    assert told["prediction"] == pytest.approx(output * schema.target_deviation + schema.target_mean, rel=1e-4)
    assert schema.target_deviation > 1, "the target is standardised, so its unit matters"


def test_a_saved_model_and_onnx_predict_what_keras_does(tmp_path: Path) -> None:
    _, schema = held(tmp_path, "outcome")
    saved(tmp_path, schema)
    cases = predict.cases_of(schema.model_dump(), tmp_path / "table.csv")
    expected = [one["probabilities"]["ill"] for one in predict.predict(*predict.load(tmp_path), cases)]
    spec, model = (
        Spec.agreed(schema).model_dump_json(),
        load_keras().models.load_model(tmp_path / "model.keras", compile=False),
    )
    np.savez(tmp_path / "weights.npz", *model.get_weights())
    command = ["--network", "mlp", "--spec", spec, "--seed", "1", "--weights", str(tmp_path / "weights.npz")]
    assert main([*command, "--output", str(tmp_path / "x.savedmodel")]) == 0
    assert_predicts(tmp_path, cases, expected, tmp_path / "x.savedmodel")
    onnx = tmp_path / "model.onnx"
    if find_spec("tf2onnx") is None or find_spec("onnxruntime") is None:
        assert main([*command, "--output", str(onnx)]) == 1 and not onnx.exists()
        return
    assert main([*command, "--output", str(onnx)]) == 0
    assert_predicts(tmp_path, cases, expected, onnx)


def assert_predicts(folder: Path, cases: list[Any], expected: list[float], model: Path) -> None:
    """The model's file, unpacked where it is an archive, predicts the same without the .keras file."""
    alone = folder / f"alone-{model.suffix}"
    alone.mkdir()
    (alone / "schema.json").write_text((folder / "schema.json").read_text())
    if model.suffix == ".savedmodel":
        zipfile.ZipFile(model).extractall(alone / "saved_model")
    else:
        model.rename(alone / model.name)
    told = predict.predict(*predict.load(alone), cases)
    assert [one["probabilities"]["ill"] for one in told] == pytest.approx(expected, abs=1e-5)
