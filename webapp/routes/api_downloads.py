"""/api/runs/{id}/model: the weights of the last committed round."""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from federation.weights import Layout
from webapp.dependencies import DatabaseDep, Id, PartsDep
from webapp.errors import NotFound
from webapp.routes.api_errors import MISSING, REFUSED
from webapp.runs import get_run

router = APIRouter(prefix="/api/runs/{run_id}", tags=["downloads"], responses={**REFUSED, **MISSING})
NPZ = "application/zip"


@router.get(
    "/model",
    response_class=FileResponse,
    responses={200: {"content": {NPZ: {"schema": {"type": "string", "format": "binary"}}}}},
)
def download_model(database: DatabaseDep, parts: PartsDep, run_id: Id) -> FileResponse:
    """Return the weights of the last committed round as .npz: an array a variable, in the network's order."""
    with database.read() as session:
        run = get_run(session, run_id)
    folder = parts.settings.runs_dir / str(run_id)
    if run.checkpoint is None:
        raise NotFound(f"Run {run_id} has no model yet: no round is committed.")
    try:
        buffer = np.fromfile(folder / Path(run.checkpoint["file"]).name, dtype=np.uint8)
        layout = Layout.from_json(json.loads((folder / "layout.json").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise NotFound(f"The weights of run {run_id} are no longer on disk.") from error
    name = f"run-{run_id}-round-{run.checkpoint['round']}.npz"
    packed = _pack(layout, buffer.data, folder)
    remove = BackgroundTask(packed.unlink, missing_ok=True)
    return FileResponse(packed, media_type=NPZ, filename=name, background=remove)


def _pack(layout: Layout, buffer: memoryview, folder: Path) -> Path:
    """Write the arrays as .npz; by hand, as np.savez takes no array named "file"."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".download-", suffix=".npz", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w") as archive:
                for entry, array in zip(layout.entries, layout.unpack(buffer), strict=True):
                    with archive.open(f"{entry.name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return Path(file.name)
