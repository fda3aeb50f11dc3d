"""What a run and the Flower server tell. Plain data: the web side writes it down, a test appends it to a list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["prepare", "train", "evaluate"]
Outcome = Literal["accepted", "refused", "failed", "late", "lost"]
Metrics = dict[str, float]


def less_is_better(name: str) -> bool:
    """Say whether the least value of a metric by that name is the best one: of a loss it is."""
    return name.endswith("loss")


@dataclass(frozen=True, slots=True)
class ReplyRecorded:
    """What became of one client's task in one phase of one attempt.

    ``reason`` is a sentence for every outcome but accepted. ``seconds`` is the client's own measure of its work.
    The offsets count from the start of the phase: when the client's reply was offered, and when it had arrived whole.
    """

    run_id: int
    round: int
    attempt: int
    phase: Phase
    client_id: int
    outcome: Outcome
    reason: str | None = None
    num_examples: int | None = None
    seconds: float | None = None
    offered_at_seconds: float | None = None
    received_at_seconds: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights on disk: file name inside the run's folder, sha256 of the file, size in bytes."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RoundDone:
    """One committed round; round 0 holds the evaluation of the initial weights and trains nobody."""

    run_id: int
    round: int
    attempt: int
    seconds: float
    train_seconds: float
    aggregate_seconds: float
    evaluate_seconds: float
    train_metrics: Metrics
    evaluate_metrics: Metrics
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """A try at a round that committed nothing, and why."""

    run_id: int
    round: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClientPutAside:
    """A client is asked no more in this run, until a person lets it in again."""

    run_id: int
    client_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a run waits for; ``kind`` None says that it waits no more. ``deadline_seconds`` counts from now."""

    run_id: int
    kind: Literal["quorum", "round", "prepare", "paused", "storage"] | None
    sentence: str = ""
    deadline_seconds: float | None = None
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """A client's place in its task; shown, never stored."""

    client_id: int
    run_id: int
    round: int
    phase: Phase
    task: Literal["asked", "training", "evaluating", "preparing", "sending", "sent"]
    batch: int | None = None
    batches: int | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class ClientChanged:
    """A client came, went, or said something new about itself; ``facts`` and ``data`` only where it spoke."""

    client_id: int
    online: bool
    reason: str = ""
    facts: dict[str, Any] | None = None
    data: dict[str, Any] | None = None


class StoreUnavailable(Exception):
    """Whoever keeps events cannot write now, and may be able to later: the disk is full, the database is locked."""


class RoundRefused(Exception):
    """Whoever keeps events takes a round no more: the run is over there, or went on without its loop; says so."""


Event = ReplyRecorded | RoundDone | AttemptFailed | ClientPutAside | Blocked | Progress | ClientChanged
Record = Callable[[Event], None]
