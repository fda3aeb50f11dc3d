"""Events of a run and of the Flower server. Plain data: the dashboard stores them, a test appends them to a list."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from federation.schema.columns import AgreedSchema, ClientSchema
from federation.schema.statistics import Histograms, StatisticsQuestion

Phase = Literal["prepare", "train", "evaluate"]
Outcome = Literal["accepted", "refused", "failed", "late", "lost"]
WaitKind = Literal["quorum", "round", "prepare", "paused", "storage", "evaluation"]
Metrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class ReplyRecorded:
    """The outcome of one client's task in one phase of one attempt.

    ``reason`` is a sentence for every outcome but accepted, where it says how a rule changed the update. ``seconds`` is
    the client's own measure of its work. The offsets count from the start of the phase: when the client's reply was
    offered, and when all of it had arrived. Bytes are those of contents. ``failure`` is what the client says of a task
    that failed, as ``federation.protocol.descriptions.Failure`` has it.
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
    failure: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights on disk: name of the file in the run's folder, sha256 of its content, size."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round to commit. Round 0 is the evaluation of the initial weights; no client trains in it.

    ``is_evaluated``: clients were to evaluate its weights, see ``evaluate_every``. ``measured`` is client id -> what
    the server measured of its update: train metrics beside those that it reported.
    """

    run_id: int
    round: int
    attempt: int
    seconds: float
    train_seconds: float
    aggregate_seconds: float
    evaluate_seconds: float
    train_metrics: Metrics
    evaluate_metrics: Metrics
    checkpoint: Checkpoint | None
    """None where nobody keeps weights: in the run of an app that brings its own loop."""
    measured: Mapping[int, Metrics] = field(default_factory=dict)
    is_evaluated: bool = True
    num_rounds: int | None = None
    """How many rounds the run has, where only its app knows."""
    confusion: Sequence[Sequence[int]] = ()
    """The test samples of each class (row) by the class that they are taken for, summed over clients that share it."""
    confusion_clients: int = 0


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt at a round that committed nothing, and why."""

    run_id: int
    round: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClientSuspended:
    """A client gets no more tasks in this run until a person includes it again."""

    run_id: int
    client_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a run waits for; ``kind`` None: it does not wait any more. ``deadline_seconds`` counts from now.

    ``actions`` are what a person can do about it, in the words of the API.
    """

    run_id: int
    kind: WaitKind | None
    sentence: str = ""
    deadline_seconds: float | None = None
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """A client's progress in its task; shown, never stored."""

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
    """A client connected, disconnected, or described itself anew; ``facts``, ``data``, ``versions`` only if it did.

    ``changes`` over 0: this one stands for so many connections and disconnections, the last of them as it says.
    """

    client_id: int
    online: bool
    reason: str = ""
    facts: dict[str, object] | None = None
    data: dict[str, object] | None = None
    changes: int = 0
    versions: dict[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class RunNote:
    """Something that people must know to read a run's results, as a sentence; ``client_id``: whom it is about."""

    run_id: int
    sentence: str
    client_id: int | None = None


@dataclass(frozen=True, slots=True)
class ServerEvaluated:
    """The metrics of a committed round on held-out data at the server, over ``samples`` samples.

    ``confusion`` counts the samples of each class (row) by the class that they are taken for (column).
    """

    run_id: int
    round: int
    metrics: Metrics
    samples: int
    confusion: Sequence[Sequence[int]] = ()


@dataclass(frozen=True, slots=True)
class SchemaAgreed:
    """What the clients of a run on own data agreed on, before its first weights are made."""

    run_id: int
    schema: AgreedSchema


@dataclass(frozen=True, slots=True)
class StatisticsCollected:
    """The answers to a statistics run: what each client tells, its schema with sums first, rows in common bins then.

    ``silent`` are the ids of the other clients that took part: they share no statistics, or have not answered.
    """

    run_id: int
    schemas: Mapping[int, ClientSchema]
    question: StatisticsQuestion
    histograms: Mapping[int, Histograms]
    silent: Sequence[int]


class StoreUnavailable(Exception):
    """The store of events cannot write now, but may later: the disk is full, the database is locked."""


class RoundRefused(Exception):
    """The store does not accept a round: the run has ended there, or has a later round; the sentence says so."""


Event = (
    ReplyRecorded | RoundDone | AttemptFailed | ClientSuspended | Blocked | Progress | ClientChanged | RunNote
    | ServerEvaluated | SchemaAgreed | StatisticsCollected
)  # fmt: skip
Record = Callable[[Event], None]
"""Keeps an event. May be called on any thread; may raise StoreUnavailable or RoundRefused."""
