"""/api/runs/{id}/model: the weights of the last committed round."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from federation.weights import Layout
from webapp.dependencies import DatabaseDep, Id, PartsDep
from webapp.errors import NotFound
from webapp.routes.api_errors import MISSING, REFUSED
from webapp.runs import get_run

router = APIRouter(prefix="/api/runs/{run_id}", tags=["downloads"], responses={**REFUSED, **MISSING})
NPZ, PIECE_BYTES = "application/zip", 1024 * 1024


@router.get(
    "/model",
    response_class=StreamingResponse,
    responses={200: {"content": {NPZ: {"schema": {"type": "string", "format": "binary"}}}}},
)
def download_model(database: DatabaseDep, parts: PartsDep, run_id: Id) -> StreamingResponse:
    """Return the weights of the last committed round as .npz: an array a variable, in the network's order."""
    with database.read() as session:
        run = get_run(session, run_id)
    if run.checkpoint is None:
        raise NotFound(f"Run {run_id} has no model yet: no round is committed.")
    folder = parts.settings.runs_dir / str(run_id)
    try:
        packed = _pack(folder / Path(run.checkpoint["file"]).name, folder / "layout.json")
    except FileNotFoundError as error:
        raise NotFound(f"The weights of run {run_id} are no longer on disk.") from error
    name = f"run-{run_id}-round-{run.checkpoint['round']}.npz"
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
