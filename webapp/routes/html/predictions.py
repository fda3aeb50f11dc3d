"""The page that tries a run's model: a row of a table or a file, and what the model of the best round predicts."""

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from federation.coordinator.supervisor import CheckpointDamaged, CheckpointsMissing, NetworkNotBuilt
from federation.run.networks import KERAS_NETWORKS
from federation.schema.columns import AgreedSchema
from webapp.db.tables import Run, RunContents
from webapp.operations.files.bundle import meaning_of
from webapp.operations.files.downloads import checkpoint_of
from webapp.operations.run_moves import get_run
from webapp.operations.run_requests import stored_config
from webapp.problems import Conflict, Invalid, NotFound
from webapp.routes.html.forms import CaseDep, file_of
from webapp.routes.html.page import Page, PageDep, RunId

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)

MAX_FILE_BYTES = 16 * 1024 * 1024
SUFFIXES = (".jpg", ".jpeg", ".png", ".npz", ".csv")


@router.get("/try")
def ask(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Show the form for a case."""
    run, schema, chosen = _tried(page, run_id)
    return _show(page, run, schema, chosen, {})


@router.post("/try")
def answer(page: PageDep, run_id: RunId, form: CaseDep) -> HTMLResponse:
    """Predict the case and show the form with the result, or with what is wrong."""
    run, schema, chosen = _tried(page, run_id)
    page.session.close()  # the child process takes seconds, in which no connection is held
    typed = {column.name: str(form.get(f"column-{place}", "")) for place, column in enumerate(schema.columns)}
    try:
        case, suffix = _case(form, typed, schema)
        model = _model(page, run, schema, chosen)
        told = page.parts.predictor.predict(model, schema, case, suffix)
    except Invalid as error:
        return _show(page, run, schema, chosen, typed, wrong=error.fields[0].message)
    return _show(page, run, schema, chosen, typed, told=told)


def _tried(page: Page, run_id: int) -> tuple[Run, AgreedSchema, dict[str, Any]]:
    """Return the run, what its model's inputs and outputs mean, and the checkpoint of its best round."""
    run = get_run(page.session, run_id)
    if run.config.get("personal_layers"):
        raise NotFound(f"The model of run {run_id} cannot be tried here: its personal layers stay at the clients.")
    schema = meaning_of(page.session, run) if run.network in KERAS_NETWORKS else None
    if schema is None:
        raise NotFound(f"The model of run {run_id} cannot be tried here: Meadow has no code for its network or data.")
    chosen = checkpoint_of(page.session, run, "best", page.parts.settings.best_metric)
    if chosen is None or run.contents != RunContents.WHOLE:
        raise NotFound(f"Run {run_id} has no model: no round is completed, or its checkpoints were removed.")
    return run, schema, chosen


def _case(form: FormData, typed: dict[str, str], schema: AgreedSchema) -> tuple[bytes, str]:
    """Return the content of a file with the case, and the end of its name; raises Invalid without one."""
    if (file := file_of(form, "file")) is not None:
        suffix = Path(file.filename or "").suffix.lower()
        if suffix not in SUFFIXES:
            raise Invalid("case", f"Choose a file that ends with {', '.join(SUFFIXES)}")
        content = file.file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise Invalid("case", f"The file has more than {MAX_FILE_BYTES // 2**20} MiB")
        return content, suffix
    if schema.form != "table":
        raise Invalid("case", "Choose a file")
    return json.dumps([typed]).encode(), ".json"


def _model(page: Page, run: Run, schema: AgreedSchema, chosen: dict[str, Any]) -> Path:
    exports = page.parts.supervisor.files.exports
    try:
        return exports.file(run.id, stored_config(run), Path(chosen["file"]).name, schema)
    except (NetworkNotBuilt, CheckpointsMissing, CheckpointDamaged, FileNotFoundError) as error:
        raise Conflict(f"The model of run {run.id} cannot be used: {error}.") from error


def _show(
    page: Page, run: Run, schema: AgreedSchema, chosen: dict[str, Any], typed: dict[str, str], *, wrong: str = "",
    told: dict[str, Any] | None = None,
) -> HTMLResponse:  # fmt: skip
    shares = sorted((told or {}).get("probabilities", {}).items(), key=lambda one: -one[1])
    return page.show(
        "runs/try.html", "/runs", 422 if wrong else 200, run=run, schema=schema, round=chosen["round"], typed=typed,
        wrong=wrong, told=told, shares=shares,
    )  # fmt: skip
