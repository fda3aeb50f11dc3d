"""What API and pages show of runs and clients: rows made whole with what is known only now."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import isfinite
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, Field

from federation.learning.evaluation_data import evaluated_on
from federation.protocol.keys import fingerprint
from federation.run.events import Progress
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import ACTIVE, RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import Admission
from webapp.db.tables import Client, Run, RunContents

ClientState = Literal["online", "stale", "offline", "pending", "revoked"]
Metrics = dict[str, float | None]


class BlockedOn(BaseModel):
    """What a run waits for, since when, until when, and the actions that end the wait."""

    kind: str = Field(examples=["quorum"])
    sentence: str = Field(examples=["1 of 2 clients"])
    since: datetime
    deadline: datetime | None
    actions: list[str]


class Best(BaseModel):
    """The best value of a metric and its round."""

    value: float
    round: int
    clients: int | None = Field(None, description="Number of clients that the value is the mean of; null: unknown.")


class RunView(BaseModel):
    """The current state of one run."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["digits, mlp"])
    kind: str = Field(description="What the run does: it trains, or it only evaluates.", examples=["training"])
    config: dict[str, Any]
    state: RunState
    reason: str | None
    stop_rule: StopRule | None = Field(description="The rule that ended the run before its last round.")
    blocked_on: BlockedOn | None
    current_round: int = Field(description="The last completed round.")
    num_rounds: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    elapsed_seconds: float | None = Field(description="Time while active, without the time between stop and resume.")
    eta_seconds: float | None = Field(description="Estimate from the last ten rounds; null before the first one.")
    started_by: str | None = Field(description="Who queued the run; local: without accounts.", examples=["ada"])
    resumed_by: str | None
    stopped_by: str | None = Field(description="Who stopped or cancelled the run; null once the run is queued again.")
    last_metrics: Metrics = Field(examples=[{"evaluate_accuracy": 0.91, "evaluate_loss": 0.31}])
    best_metrics: dict[str, Best]
    evaluated_on: str = Field(description="What the metrics of the evaluation are measured on.")
    pausing: bool = Field(description="Whether a pause after this round is requested; of an interrupted run: was.")
    excluded: list[int] = Field(description="Ids of the clients that are excluded from this run.")
    note: str
    tags: list[str]
    archived_at: datetime | None
    pinned: bool = Field(description="Whether checkpoints and events are kept, whatever the age of the run.")
    contents: RunContents = Field(description="Whether the run has its checkpoints and events.")
    origin: dict[str, Any] | None = Field(description="Where an imported run comes from; null: it was made here.")
    experiment_id: int | None = Field(description="The experiment that the run is part of; null: a run of its own.")
    configuration: int | None = Field(description="The number of its configuration in the experiment.")
    queue_position: int | None = Field(description="1 starts next; null for a run that is not queued, or held.")


class RunList(BaseModel):
    """A page of runs, newest first."""

    items: list[RunView]
    total: int


def run_view(run: Run, queue: Sequence[int], recent_seconds: Iterable[float] = ()) -> RunView:
    """Return a run with its place in the queue, of ids, and the time that it took and will take."""
    return RunView(
        **{name: getattr(run, name) for name in RunView.model_fields if hasattr(run, name)},
        elapsed_seconds=elapsed_seconds(run),
        evaluated_on=evaluated_on(run.config),
        eta_seconds=remaining_seconds(run, list(recent_seconds)),
        queue_position=queue.index(run.id) + 1 if run.id in queue else None,
    )


def remaining_seconds(run: Run, recent_seconds: Sequence[float]) -> float | None:
    """Return how long an active run will take, by its last rounds; None where that is not known."""
    known = run.state in ACTIVE and recent_seconds
    return median(recent_seconds) * (run.num_rounds - run.current_round) if known else None


def elapsed_seconds(run: Run) -> float | None:
    """Return how long a run has been active; None where it never was."""
    since = time.monotonic() - run.measured_at if run.measured_at is not None else 0.0
    return run.active_seconds + since if run.started_at is not None else None


class ClientView(BaseModel):
    """The current state of one client."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["site-a"])
    state: ClientState
    connected: bool = Field(description="Also true for a connected client that is pending approval.")
    kind: Literal["client", "simulated", "supernode", "imported"]
    lane: Literal["stream", "fleet"]
    node_id: str | None = Field(description="Flower's node id, unsigned 64-bit, in decimal.")
    left_out: bool
    fingerprint: str = Field(description="SHA-256 of the public key.", examples=["5f:3a:91:c0:…"])
    first_seen: datetime
    last_seen: datetime
    facts: dict[str, Any]
    versions: dict[str, Any]
    data: dict[str, Any]
    dataset: str | None
    samples: int | None
    task: str | None = Field(description="asked (task sent), preparing, training, evaluating, sending or sent (done).")
    progress: dict[str, Any] | None
    run_id: int | None = Field(description="The active run that the client belongs to.")
    counts: dict[str, int] = Field(description="Training tasks by outcome.", examples=[{"accepted": 5, "late": 1}])


class FrameView(BaseModel):
    """One frame of an app's own code."""

    file: str = Field(examples=["my_app/task.py"])
    line: int
    function: str
    code: str


class FailureView(BaseModel):
    """The last failed task of a client: where its app failed, and the client's last log lines if it shares them."""

    run_id: int
    round: int
    phase: Literal["prepare", "train", "evaluate"]
    at: datetime
    error: str = Field(examples=["ValueError: too many values to unpack, my_app/task.py:41 in train"])
    frames: list[FrameView] = Field(description="The app's own frames, the innermost last.")
    log: list[str] | None = Field(description="Null where the client was started without --share-logs.")


class ClientList(BaseModel):
    """All clients, in the order of their first connection."""

    items: list[ClientView]


def client_view(row: Client, live: LiveClient | None, counts: dict[str, int] | None = None) -> ClientView:
    """Return a client with what the Flower server knows of it."""
    names = ("id", "name", "kind", "lane", "node_id", "left_out", "facts", "versions", "data")
    dataset, samples = row.data.get("dataset"), row.data.get("samples")
    return ClientView(
        **{name: getattr(row, name) for name in names}, state=client_state(row, live), connected=live is not None,
        fingerprint=fingerprint(row.public_key), first_seen=row.first_seen_at, last_seen=last_seen(row, live),
        dataset=dataset if isinstance(dataset, str) else None, samples=samples if isinstance(samples, int) else None,
        task=live.task.task if live and live.task else None,
        progress=progress_data(live.task) if live and live.task else None, counts=counts or {},
        run_id=live.run_id if live else None,
    )  # fmt: skip


def last_seen(row: Client, live: LiveClient | None) -> datetime:
    """Return when a client last gave a sign of life."""
    if live is None:
        return row.last_seen_at
    return datetime.now(UTC) - timedelta(seconds=live.silent_seconds)


def client_state(row: Client | Admission, live: LiveClient | None) -> ClientState:
    """Return one word for admission and connection together."""
    if row.state in ("pending", "revoked"):
        return "pending" if row.state == "pending" else "revoked"
    return live.state if live is not None else "offline"


def progress_data(progress: Progress) -> dict[str, Any]:
    """Return a client's progress as streams and pages have it."""
    loss = progress.loss if progress.loss is not None and isfinite(progress.loss) else None
    return asdict(progress) | {"loss": loss}
