"""/api/weights: upload initial weights for runs with network custom."""

from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from pydantic import BaseModel, Field

from webapp.routes.api.errors import REFUSED, STORED
from webapp.routes.dependencies import NoteDep, PartsDep

router = APIRouter(prefix="/api/weights", tags=["weights"], responses={**REFUSED, **STORED})


class Uploaded(BaseModel):
    """Weights that a run may start from."""

    id: str = Field(description="Value for initial_weights of a run.", examples=["9f86d081884c7d65" * 4])
    layout: list[Any] = Field(description="Rows of name, shape and dtype, in order.")
    size_bytes: int


@router.post("", status_code=201)
def upload_weights(
    parts: PartsDep,
    note: NoteDep,
    file: Annotated[UploadFile, File(description="An .npz with plain arrays, or an .h5 as Keras 2 wrote it.")],
) -> Uploaded:
    """Store the arrays of an .npz or .h5 in order. Pickled objects and values that are not finite are rejected."""
    kept = parts.runs.keep_upload(file.file, parts.settings.max_reply_bytes)
    note.target = f"weights {kept.id}"
    return Uploaded(id=kept.id, layout=list(kept.layout), size_bytes=kept.size_bytes)
