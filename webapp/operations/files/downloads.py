"""Which weights a run left: those of its last committed round and of its best one, and whether they are on disk yet."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from federation.run.metric_goals import decisive_metric, is_evaluated_at_server
from federation.run.networks import KERAS_NETWORKS
from webapp.db.repository.rounds import get_round
from webapp.db.tables import Run, RunContents

CAN_ONNX = find_spec("tf2onnx") is not None
Which = Literal["last", "best"]


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that can be downloaded: of which round, and where.

    ``keras``, ``bundle``, ``saved`` and ``onnx`` are empty where no such file can be made.
    """

    which: Which
    round: int
    npz: str
    keras: str
    bundle: str
    saved: str
    onnx: str


def checkpoint_of(session: Session, run: Run, which: Which, metric: str) -> dict[str, Any] | None:
    """Return a checkpoint with its round; the last one where the best is not known; None before any round."""
    decisive = decisive_metric(metric, is_evaluated_at_server(run.config), run.best_metrics)
    best = run.best_metrics.get(decisive)
    if run.checkpoint is None or which == "last" or best is None:
        return run.checkpoint
    row = get_round(session, run.id, best["round"])
    return run.checkpoint if row is None else {**row.checkpoint, "round": row.round}


def kept_checkpoints(session: Session, run: Run, metric: str) -> dict[Which, dict[str, Any]]:
    """Return the checkpoints that a run keeps, the last round's first; the best round's where that is another one."""
    last, best = run.checkpoint, checkpoint_of(session, run, "best", metric)
    if last is None or best is None or run.contents != RunContents.WHOLE:
        return {}
    return {"last": last} if best["round"] == last["round"] else {"last": last, "best": best}


def is_whole_model(run: Run) -> bool:
    """Say whether Meadow has the code of a run's network, and all of its weights: personal layers stay at clients."""
    return run.network in KERAS_NETWORKS and not run.config.get("personal_layers")


def models_of(session: Session, run: Run, runs_folder: Path, metric: str) -> list[Model]:
    """Return the weights that are there, the last round's first; the best round's where that is another one."""
    models: list[Model] = []
    for which, found in kept_checkpoints(session, run, metric).items():
        if (runs_folder / str(run.id) / Path(found["file"]).name).is_file():
            address = f"/api/runs/{run.id}/model{'?round=best' if which == 'best' else ''}"
            form = f"{address}{'&' if '?' in address else '?'}format="
            forms = ("keras", "zip", "savedmodel", "onnx" if CAN_ONNX else "")
            made = [f"{form}{one}" if one and is_whole_model(run) else "" for one in forms]
            models.append(Model(which, found["round"], address, *made))
    return models
