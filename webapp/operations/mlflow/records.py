"""A run, its clients and its rounds as MLflow has them: parameters, tags, metrics, within MLflow's limits. Pure."""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from platform import python_version
from typing import Any

from federation.run.states import RunState
from webapp.db.repository.tracking.points import TimedPoint
from webapp.db.tables import Client, MlflowRun, Round, Run
from webapp.sanitizing import clean_text

MAX_KEY, MAX_PARAM, MAX_TAG, MAX_PARAMS = 250, 6000, 5000, 400
KEY_TAG = "meadow.key"
NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Values that are not finite, as protobuf's JSON writes a double."""
STATUS = {
    RunState.COMPLETED: "FINISHED", RunState.FAILED: "FAILED", RunState.INTERRUPTED: "FAILED",
    RunState.STOPPED: "KILLED", RunState.CANCELLED: "KILLED",
}  # fmt: skip
"""The states of ended runs in MLflow; any other run is RUNNING there."""
_OTHER = re.compile(r"[^/\w.\- ]")

Metric = dict[str, Any]
Pairs = dict[str, str]


def key_of(name: str) -> str:
    """Return a name as a key of MLflow: ``top[0]`` becomes ``top.0``; what has no place there, ``_`` and a hash."""
    plain = re.sub(r"\[(\d+)\]", r".\1", name)
    key = _OTHER.sub("_", plain)
    if key != posixpath.normpath(key):  # MLflow refuses keys that are other paths than they seem
        key = key.replace("/", "_")
    if key == plain and len(key) <= MAX_KEY:
        return key
    return f"{key[: MAX_KEY - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def status_of(state: str) -> str:
    """Return the status of a run in MLflow."""
    return STATUS.get(RunState(state), "RUNNING")


def milliseconds(at: datetime) -> int:
    """Return a moment as MLflow stores it."""
    return round(at.timestamp() * 1000)


def point_metric(point: TimedPoint) -> Metric:
    """Return a metric point as a metric: its step is the round, its time that of the round's commit."""
    value = point.value if point.value is not None else NUMBERS[point.kind]
    return _metric(f"{point.phase}_{point.name}", value, point.round, point.at)


def round_metrics(row: Round) -> list[Metric]:
    """Return a round's own figures."""
    figures = {
        "round_seconds": row.seconds, "round_bytes_down": row.bytes_down, "round_bytes_up": row.bytes_up,
        "round_clients": row.outcomes.get("train", {}).get("accepted", 0),
    }  # fmt: skip
    return [_metric(name, value, row.round, row.committed_at) for name, value in figures.items()]


def _metric(name: str, value: Any, step: int, at: datetime) -> Metric:
    return {"key": key_of(name), "value": value, "timestamp": milliseconds(at), "step": step}


def run_params(run: Run) -> Pairs:
    """Return a run's configuration and the versions that run it."""
    versions = {"meadow": version("meadow"), "flwr": version("flwr"), "python": python_version()}
    return _params(run.config | {"version": versions})


def client_params(client: Client) -> Pairs:
    """Return what a client says of its data and versions, without lists."""
    data = {name: value for name, value in client.data.items() if not isinstance(value, list | dict)}
    return _params(data | {"version": client.versions})


def run_tags(run: Run, row: MlflowRun, link: str) -> Pairs:
    """Return the tags with which a run is created."""
    group = {"meadow.experiment": str(run.experiment_id or ""), "meadow.configuration": str(run.configuration or "")}
    tags = _source(row, run.name) | {"mlflow.user": run.started_by or "", "meadow.run_id": str(run.id)} | group
    return _tags(tags | {"meadow.link": link} | state_tags(run))


def state_tags(run: Run) -> Pairs:
    """Return the tags that change with the state of a run."""
    return _tags({
        "meadow.state": run.state, "meadow.reason": run.reason or "", "meadow.rounds": str(run.num_rounds),
        "mlflow.note.content": run.note,
    })  # fmt: skip


def client_tags(client: Client, row: MlflowRun, parent: str) -> Pairs:
    """Return the tags with which the child run of a client is created."""
    tags = {"mlflow.parentRunId": parent, "meadow.run_id": str(row.run_id), "meadow.client_id": str(client.id)}
    return _tags(_source(row, client.name) | tags)


def _source(row: MlflowRun, name: str) -> Pairs:
    return {"mlflow.runName": name, "mlflow.source.name": "Meadow", "mlflow.source.type": "JOB", KEY_TAG: row.key}


def _tags(tags: Mapping[str, str]) -> Pairs:
    return {name: text[:MAX_TAG] for name, text in tags.items() if text}


def _params(values: Mapping[str, Any]) -> Pairs:
    params: Pairs = {}
    for name, value in _flat(values):
        if value is None or value == "" or len(params) == MAX_PARAMS:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        params[key_of(name)] = clean_text(text, MAX_PARAM)
    return params


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
