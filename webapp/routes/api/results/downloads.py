"""/api/runs/{id}/model: the weights of the last completed round, or of the best one; /export: all of a run as a zip."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse

from federation.coordinator.supervisor import CheckpointDamaged, CheckpointsMissing, ExportForm, NetworkNotBuilt
from federation.run.states import ENDED
from federation.schema.columns import AgreedSchema
from webapp.db.tables import Run, RunContents
from webapp.operations.apps.outputs import AppOutputs
from webapp.operations.files.bundle import bundle_pieces, meaning_of
from webapp.operations.files.downloads import Which, checkpoint_of
from webapp.operations.files.npz import MAX_KNOWN_LENGTH, Checkpoint, npz_length, npz_pieces
from webapp.operations.files.zip_stream import pieces_of
from webapp.operations.own_data.agreed import agreed_schema
from webapp.operations.run_moves import get_run
from webapp.operations.run_requests import stored_config
from webapp.operations.transfer.export import RunExport
from webapp.operations.views import RunView
from webapp.parts import Parts
from webapp.problems import Conflict, NotFound
from webapp.routes.api.errors import CONFLICT, REFUSED, STORED
from webapp.routes.api.results.file_responses import ZIP, ZIP_ANSWER, ZipResponse
from webapp.routes.dependencies import Id, ImportDep, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["downloads"], responses={**REFUSED, **CONFLICT})
imports = APIRouter(prefix="/api/runs", tags=["downloads"], responses={**REFUSED, **STORED})
Format = Literal["npz", "keras", "zip", "onnx", "savedmodel"]
ENDS = {"onnx": ".onnx.zip", "savedmodel": ".savedmodel.zip"}
TRIES = 5
"""A run under way may have thinned its checkpoints between the look into the database and the one at the disk."""


@router.get("/model", response_class=StreamingResponse, responses=ZIP_ANSWER)
def download_model(
    parts: PartsDep,
    run_id: Id,
    format: Annotated[
        Format,
        Query(
            description="npz: plain arrays. keras: a Keras model. zip: that with its schema and a script that "
            "predicts; onnx, savedmodel: the same with the model in that form."
        ),
    ] = "npz",
    which: Annotated[Which, Query(alias="round", description="The last completed round, or the best one.")] = "last",
) -> Response:
    """Return a round's weights: as .npz, an array a variable, in the network's order; or as a Keras model.

    Of a Flower App: the arrays with which its strategy ended, as .npz.
    """
    for tries_left in range(TRIES - 1, -1, -1):
        with parts.database.read() as session:
            run = get_run(session, run_id)
            if run.network == "app":
                return _model_of_app(parts, run, format)
            chosen = checkpoint_of(session, run, which, parts.settings.best_metric)
            schema = None if format == "npz" else meaning_of(session, run)
        if chosen is None:
            raise NotFound(f"Run {run.id} has no model yet: no round is completed.")
        if run.contents != RunContents.WHOLE:
            raise NotFound(f"The checkpoints of run {run.id} were removed, as --keep-runs and --keep-days say.")
        try:
            return _answer(parts, run, chosen, format, schema)
        except FileNotFoundError as error:
            if not tries_left:
                gone = f"The weights of round {chosen['round']:,} of run {run_id} are no longer on disk."
                raise NotFound(gone) from error
    raise AssertionError("the last try returns or raises")


def _model_of_app(parts: Parts, run: Run, format: Format) -> Response:
    """Return what the strategy of an app ended with; raises NotFound and Conflict."""
    if run.state not in ENDED:
        raise Conflict(f"Run {run.id} is {run.state}: its model can be downloaded once it has ended.")
    if format != "npz":
        raise Conflict("The model of a Flower App is an .npz: Meadow does not know its network.")
    file, length = AppOutputs(parts.settings.runs_dir / str(run.id)).model()
    return ZipResponse(pieces_of(file), f"run-{run.id}.npz", file.close, length)


def _answer(parts: Parts, run: Run, chosen: dict[str, Any], format: Format, schema: AgreedSchema | None) -> Response:
    """Return a checkpoint as a file; raises FileNotFoundError where it was deleted, else Conflict."""
    file = parts.settings.runs_dir / str(run.id) / Path(chosen["file"]).name
    name = f"run-{run.id}-round-{chosen['round']}{ENDS.get(format, f'.{format}')}"
    form: ExportForm = format if format in ("onnx", "savedmodel") else "keras"
    try:
        checkpoint = Checkpoint(file, chosen["sha256"])
        if format == "npz":
            length = npz_length(checkpoint.layout)
            known = length if length <= MAX_KNOWN_LENGTH else None
            return ZipResponse(npz_pieces(checkpoint.layout, checkpoint.pieces), name, checkpoint.close, known)
        checkpoint.close()
        made = parts.supervisor.files.exports.file(run.id, stored_config(run), file.name, schema, form)
        if format == "keras":
            return FileResponse(made, media_type=ZIP, filename=name)
        if schema is None:
            raise Conflict(f"There is no schema of run {run.id}: download the .keras.")
        model = made.open("rb")
        return ZipResponse(bundle_pieces(model, form, schema, run.name, run.id, chosen["round"]), name, model.close)
    except NetworkNotBuilt as error:
        raise Conflict(f"There is no .{form} of run {run.id}: {error}.") from error
    except CheckpointsMissing as error:
        raise NotFound(f"The weights of run {run.id} cannot be downloaded: {error}.") from error
    except (ValueError, CheckpointDamaged) as error:
        raise Conflict(f"The weights of round {chosen['round']:,} of run {run.id} are damaged: {error}.") from error


@router.get("/schema")
def show_schema(parts: PartsDep, run_id: Id) -> AgreedSchema:
    """Return how the clients of a run encode their own data: the preprocessing of its model, and its classes."""
    with parts.database.read() as session:
        schema = agreed_schema(session, get_run(session, run_id).id)
    if schema is None:
        raise NotFound(f"The clients of run {run_id} agreed on no schema: it trains on published data, or waits yet.")
    return schema


@router.get("/export", response_class=StreamingResponse, responses=ZIP_ANSWER)
def export_run(
    parts: PartsDep,
    run_id: Id,
    addresses: Annotated[bool, Query(description="Whether the archive has the network addresses of clients.")] = False,
) -> Response:
    """Return an ended run as one zip: configuration, clients, rounds, metrics, events, models, a model card, hashes.

    POST it to /api/runs/import of another Meadow. It names clients and the fingerprints of their keys.
    """
    settings, exports = parts.settings, parts.supervisor.files.exports

    def keras(run: Run, file: str) -> Path:
        with parts.database.read() as session:
            schema = meaning_of(session, run)
        return exports.file(run.id, stored_config(run), file, schema)

    export = RunExport(parts.database, run_id, settings.runs_dir, settings.best_metric, keras, addresses=addresses)
    return ZipResponse(export.pieces(), f"run-{run_id}.zip", export.close)


@imports.post("/import", status_code=201)
def import_run(
    importer: ImportDep, parts: PartsDep, file: Annotated[UploadFile, File(description="The zip of an exported run.")]
) -> RunView:
    """Import a run that another Meadow has exported: all of it, or nothing. It cannot be resumed.

    Each file must be as the manifest of the archive says, and each row must fit the schema.
    """
    return parts.runs.show(importer.import_run(file.file))
