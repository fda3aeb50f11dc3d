"""Predicts with a model of Meadow: ``python predict.py patients.csv``, ``python predict.py photo.jpg more.jpg``.

The file stands alone and lies beside the model and what its inputs mean (``schema.json``), in a folder that may be
copied anywhere. It needs Python with numpy; keras and tensorflow for ``model.keras``, onnxruntime for ``model.onnx``,
tensorflow for the folder ``saved_model``; pillow for photos. From Python:

    from predict import load, predict
    model, schema = load("folder")
    print(predict(model, schema, [{"age": "51", "ward": "east"}]))

A table has a header and a row for each case; columns may stand in any order, others are passed over. A cell without a
value is empty; numbers have a decimal point or comma, dates look like 2026-11-29.
"""

import csv
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

Schema = Mapping[str, Any]
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""Of an .npz: a small one can hold a large array of zeros."""
MISSING = {"", "?", "na", "n/a", "#n/a", "nan", "null"}


def load(folder: str | Path) -> tuple[Any, Schema]:
    """Return the model of a folder, and what its inputs and outputs mean."""
    return _model_in(Path(folder)), meaning_of(folder)


def _model_in(folder: Path) -> Any:
    """Return a function of inputs to outputs."""
    if (folder / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, {session.get_inputs()[0].name: inputs})[0]
    if (folder / "saved_model").exists():
        import tensorflow

        loaded = tensorflow.saved_model.load(str(folder / "saved_model"))
        return lambda inputs: loaded.serve(inputs)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    model = keras.models.load_model(folder / "model.keras", compile=False)
    return lambda inputs: model.predict(inputs, verbose=0)


def meaning_of(folder: str | Path) -> Schema:
    """Return what the inputs and outputs of a folder's model mean."""
    return dict(json.loads((Path(folder) / "schema.json").read_text("utf-8")))


def predict(model: Any, schema: Schema, cases: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the prediction of each case: a row of a table (column -> text), the path of a photo, or an array."""
    return _predicted(model, schema, encode(schema, list(cases)))


def encode(schema: Schema, cases: Sequence[Any]) -> Any:
    """Return cases as the model takes them, float32; raises ValueError with the column that cannot be read."""
    if not cases:
        raise ValueError("there is no case in it")
    if schema["form"] == "table":
        rows = [np.concatenate([_cells(column, case) for column in schema["columns"]]) for case in cases]
    elif schema["form"] == "images":
        rows = [_photo(case, schema["shape"]) if isinstance(case, str | Path) else _array(case) for case in cases]
    else:
        rows = [_array(case) for case in cases]
    return np.stack(rows).astype(np.float32)


def _cells(column: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    text = str(row.get(column["name"], "")).strip()
    if column["kind"] == "category":
        names = column["categories"]
        return np.eye(len(names) + 1)[names.index(text) if text in names else len(names)]
    if text.lower() in MISSING:
        return np.array([0.0, 1.0] if column["has_missing"] else [0.0])
    try:
        value = (_days if column["kind"] == "date" else _number)(text)
        if not np.isfinite(value):
            raise ValueError
    except ValueError:
        expected = "a date such as 2026-11-29" if column["kind"] == "date" else "a number"
        raise ValueError(f"{column['name']}: “{text[:40]}” is not {expected}") from None
    standardised = (value - column["mean"]) / column["deviation"]
    return np.array([standardised, 0.0] if column["has_missing"] else [standardised])


def _number(text: str) -> float:
    return float(text.replace(",", ".") if "." not in text else text)


def _days(text: str) -> float:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86_400


def _photo(file: str | Path, shape: Sequence[int]) -> Any:
    from PIL import Image, ImageOps

    with Image.open(file, formats=("JPEG", "PNG")) as opened:
        photo = ImageOps.exif_transpose(opened).convert("L" if shape[-1] == 1 else "RGB")
        photo = photo.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(photo, np.float32).reshape(shape) / 255


def _array(case: Any) -> Any:
    values = np.asarray(case)
    return values.astype(np.float32) / (255 if values.dtype == np.uint8 else 1)


def _predicted(model: Any, schema: Schema, inputs: Any) -> list[dict[str, Any]]:
    return [_told(schema, output) for output in np.asarray(model(inputs), np.float64)]


def _told(schema: Schema, output: Any) -> dict[str, Any]:
    if schema["task"] == "number":
        return {"prediction": float(output[0]) * schema["target_deviation"] + schema["target_mean"]}
    shares = {name: float(share) for name, share in zip(schema["classes"], output, strict=True)}
    return {"prediction": max(shares, key=lambda name: shares[name]), "probabilities": shares}


def cases_of(schema: Schema, file: str | Path) -> list[Any]:
    """Return the cases of a file: rows of a CSV, a list in JSON, arrays x of an .npz, or the photo itself."""
    if Path(file).suffix.lower() == ".json":
        return list(json.loads(Path(file).read_text("utf-8")))
    if schema["form"] == "table":
        text = Path(file).read_text("utf-8-sig")
        first = text.partition("\n")[0]
        mark = max(",;\t", key=first.count)
        return [{name.strip(): cell or "" for name, cell in row.items() if name} for row in
                csv.DictReader(text.splitlines(), delimiter=mark)]  # fmt: skip
    if Path(file).suffix.lower() == ".npz":
        with zipfile.ZipFile(file) as packed:
            if sum(one.file_size for one in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise ValueError(f"the arrays take more than {MAX_UNPACKED_BYTES // 2**20:,} MiB")
        with np.load(file, allow_pickle=False) as arrays:
            if "x" not in arrays:
                raise ValueError("the file has no array x")
            return list(arrays["x"])
    return [file]


def main(arguments: Sequence[str]) -> int:
    """Predict the cases of the files: a line of JSON for each. The exit code is 1 where one cannot be read.

    With ``--first`` only the first case of each file is predicted.
    """
    most = None if "--first" not in arguments else 1
    try:
        folder = os.environ.get("MODEL_FOLDER", Path(__file__).parent)
        schema = meaning_of(folder)
        files = [one for one in arguments if one != "--first"]
        inputs = [encode(schema, cases_of(schema, file)[:most]) for file in files]
        model, _ = load(folder)
        for told in (told for one in inputs for told in _predicted(model, schema, one)):
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    except (ValueError, OSError, ImportError, csv.Error, zipfile.BadZipFile) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
