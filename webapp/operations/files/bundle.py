"""A model to use elsewhere, as one zip: the model's file, what its inputs and outputs mean, a script that predicts."""

import json
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain
from typing import BinaryIO

from federation.coordinator.supervisor import ExportForm
from federation.learning.sizes import CLASSES, input_shape
from federation.schema.columns import AgreedSchema
from webapp.db.database import Session
from webapp.db.tables import Run
from webapp.operations.files.zip_stream import Member, pieces_of, zip_pieces
from webapp.operations.own_data.agreed import agreed_schema

README = """{title}

The model of round {round} of run {run}, made by Meadow. Needed: Python with {needed}{pillow}.

    python predict.py {example}

prints a line of JSON for each {case}. From Python:

    from predict import load, predict
    model, schema = load(".")
    print(predict(model, schema, [{call}]))
    print(schema["target"], schema["classes"])

{model} has the weights, and scales images where its network does. schema.json has what stands before and behind it:
columns with their means, deviations and categories, the names of the classes, the unit of the target. predict.py reads
it; it says at its top how numbers and dates are written.
"""


def meaning_of(session: Session, run: Run) -> AgreedSchema | None:
    """Return what the inputs and outputs of a run's model mean: what its clients agreed on, or published images."""
    if (agreed := agreed_schema(session, run.id)) is not None:
        return agreed
    shape = input_shape(run.dataset)
    if shape is None:
        return None
    classes = [str(number) for number in range(CLASSES)]
    return AgreedSchema(form="images", task="classes", target="label", classes=classes, shape=list(shape))


NEEDED: dict[ExportForm, tuple[str, str]] = {
    "keras": ("model.keras", "keras, tensorflow and numpy"), "onnx": ("model.onnx", "onnxruntime and numpy"),
    "savedmodel": ("saved_model", "tensorflow and numpy"),
}  # fmt: skip
"""The name of the model in the archive, and what reads it."""


def bundle_pieces(
    model: BinaryIO, form: ExportForm, schema: AgreedSchema, title: str, run_id: int, round_: int
) -> Iterator[bytes]:
    """Give the archive in pieces."""
    texts = {
        "schema.json": json.dumps(schema.model_dump(mode="json"), indent=1, ensure_ascii=False),
        "predict.py": files("federation.learning").joinpath("predict.py").read_text("utf-8"),
        "README.txt": _readme(form, schema, title, run_id, round_),
    }
    return zip_pieces(chain((Member(name, [text.encode()]) for name, text in texts.items()), _files_of(model, form)))


def _files_of(model: BinaryIO, form: ExportForm) -> Iterator[Member]:
    """Give the files of a model: one, or those of a SavedModel's folder."""
    name, _ = NEEDED[form]
    if form != "savedmodel":
        yield Member(name, pieces_of(model), is_stored=True)
        return
    with zipfile.ZipFile(model) as folder:
        for one in folder.infolist():
            if not one.is_dir():
                yield Member(f"{name}/{one.filename}", pieces_of(folder.open(one)), is_stored=True)


def _readme(form: ExportForm, schema: AgreedSchema, title: str, run_id: int, round_: int) -> str:
    examples = {"table": "table.csv", "images": "photo.jpg", "arrays": "arrays.npz"}
    row = {column.name: column.categories[0] if column.categories else "1" for column in schema.columns[:3]}
    calls = {"table": json.dumps(row, ensure_ascii=False), "images": '"photo.jpg"', "arrays": "array"}
    return README.format(
        title=title, run=run_id, round=round_, model=NEEDED[form][0], needed=NEEDED[form][1],
        pillow=", and pillow" if schema.form == "images" else "",
        example=examples[schema.form], call=calls[schema.form],
        case={"table": "row", "images": "photo", "arrays": "array of x"}[schema.form],
    )  # fmt: skip
