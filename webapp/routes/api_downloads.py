"""/api/runs/{id}/model: the weights of the last committed round, or of the best one."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response, StreamingResponse

from federation.config import RunConfig
from federation.supervisor import NetworkNotBuilt
from federation.weights import Layout
from webapp.dependencies import DatabaseDep, Id, PartsDep
from webapp.errors import Conflict, NotFound
from webapp.models import Which, checkpoint_of
from webapp.routes.api_errors import CONFLICT, REFUSED
from webapp.runs import get_run

router = APIRouter(prefix="/api/runs/{run_id}", tags=["downloads"], responses={**REFUSED, **CONFLICT})
NPZ, PIECE_BYTES = "application/zip", 1024 * 1024
Format = Literal["npz", "keras"]


@router.get(
    "/model",
    response_class=StreamingResponse,
    responses={200: {"content": {NPZ: {"schema": {"type": "string", "format": "binary"}}}}},
)
def download_model(
    database: DatabaseDep,
    parts: PartsDep,
    run_id: Id,
    format: Annotated[
        Format, Query(description="npz: plain arrays. keras: a model, where the network is known.")
    ] = "npz",
    which: Annotated[Which, Query(alias="round", description="The last committed round, or the best one.")] = "last",
) -> Response:
    """Return a round's weights: as .npz, an array a variable, in the network's order; or as a Keras model."""
    with database.read() as session:
        run = get_run(session, run_id)
        chosen = checkpoint_of(session, run, which, parts.settings.best_metric)
    if chosen is None:
        raise NotFound(f"Run {run.id} has no model yet: no round is committed.")
    folder = parts.settings.runs_dir / str(run_id)
    name, file = f"run-{run_id}-round-{chosen['round']}.{format}", Path(chosen["file"]).name
    try:
        if format == "keras":
            made = parts.supervisor.keras_file(run_id, RunConfig.model_validate(run.config), file)
            return FileResponse(made, media_type=NPZ, filename=name)
        packed = _pack(folder / file, folder / "layout.json")
    except NetworkNotBuilt as error:
        raise Conflict(f"There is no .keras of run {run_id}: {error}.") from error
    except FileNotFoundError as error:
        raise NotFound(f"The weights of round {chosen['round']} of run {run_id} are no longer on disk.") from error
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(packed.seek(0, 2))}
    return StreamingResponse(_pieces(packed), media_type=NPZ, headers=headers)


def _pack(weights: Path, layout_file: Path) -> IO[bytes]:
    """Return the .npz as a file without a name, gone when it is closed; by hand, as savez takes no array "file"."""
    layout = Layout.from_json(json.loads(layout_file.read_text(encoding="utf-8")))
    arrays = layout.unpack(np.fromfile(weights, dtype=np.uint8).data)
    file = tempfile.TemporaryFile(dir=weights.parent)  # noqa: SIM115 (whoever streams it closes it)
    with zipfile.ZipFile(file, "w") as archive:
        for entry, array in zip(layout.entries, arrays, strict=True):
            with archive.open(f"{entry.name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece
