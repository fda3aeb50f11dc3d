"""Runs and what they measure: rounds, replies, metrics. NaN and infinity are stored as NULL with a kind."""

from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NO_ID_TWICE, Id, NullableJson, NumberedRow, Row, UtcTime


class RunContents(StrEnum):
    """Whether a run has its checkpoints and events. Rounds, replies and metrics stay as long as the run."""

    WHOLE = "whole"
    REMOVING = "removing"
    """Retention has begun to remove them: the run cannot be resumed any more."""
    REMOVED = "removed"
    IMPORTING = "importing"
    """The run is being written; nothing shows it until all of it is there."""


class Run(NumberedRow):
    """One run: its configuration, its state, and its last committed round."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_state", "state"), Index("ix_runs_experiment_id", "experiment_id", "configuration"),
        NO_ID_TWICE,
    )  # fmt: skip

    name: Mapped[str] = mapped_column(String(100))
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    network: Mapped[str] = mapped_column(String(50))
    dataset: Mapped[str] = mapped_column(String(50))
    strategy: Mapped[str] = mapped_column(String(50))
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
    blocked_on: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    held: Mapped[bool] = mapped_column(default=False)
    """Queued before a restart of the dashboard: it starts only when a person resumes it."""
    pausing: Mapped[bool] = mapped_column(default=False)
    """A person requested a pause after the present round; of an interrupted run: had requested it, or had paused it."""
    excluded: Mapped[list[int]] = mapped_column(JSON, default=list)
    """Ids of the clients that get no task in this run: excluded by a person, or suspended by the run itself."""
    note: Mapped[str] = mapped_column(Text, default="")
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    archived_at: Mapped[datetime | None] = mapped_column(UtcTime)
    pinned: Mapped[bool] = mapped_column(server_default="0")
    """A person keeps the checkpoints and events of the run, whatever its age."""
    contents: Mapped[str] = mapped_column(String(10), server_default=RunContents.WHOLE)
    contents_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When ``contents`` changed last; NULL where they never did."""
    started_by: Mapped[str | None] = mapped_column(String(100))
    """The name, at that time, of the person who queued the run; ``local`` without accounts; NULL in earlier runs."""
    resumed_by: Mapped[str | None] = mapped_column(String(100))
    """Who queued the run again most recently."""
    stopped_by: Mapped[str | None] = mapped_column(String(100))
    """Who stopped or cancelled the run; NULL once it is queued again."""
    agreed_schema: Mapped[dict[str, Any] | None] = mapped_column(NullableJson, deferred=True)
    """The ``AgreedSchema`` of the clients' own data; NULL before they agreed, and for published data."""
    statistics: Mapped[dict[str, Any] | None] = mapped_column(NullableJson, deferred=True)
    """What the clients of a statistics run have told; NULL before, and in runs of other kinds."""
    origin: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    """Where an imported run comes from; NULL where it was made here."""
    experiment_id: Mapped[int | None] = mapped_column(Id)
    configuration: Mapped[int | None]
    """The number of the run's configuration in its experiment, from 1; NULL in a run of its own."""
    low_priority: Mapped[bool] = mapped_column(server_default="0")
    """Every queued run without it starts before the run: so runs of people start before those of experiments."""
    stop_rule: Mapped[str | None] = mapped_column(String(20))
    """The ``StopRule`` that ended the run before its last round; NULL once it is queued again."""
    rules_after: Mapped[int] = mapped_column(server_default="0")
    """Stop rules count the rounds after this one: a person continued the run there after a rule had ended it."""
    num_rounds: Mapped[int]
    current_round: Mapped[int] = mapped_column(default=0)
    last_metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    best_metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    queued_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    active_seconds: Mapped[float] = mapped_column(default=0.0)
    """The active time up to ``measured_at``, kept with each round and each change of state."""
    measured_at: Mapped[float | None]
    """On the monotonic clock of the process that owns the database; NULL while the run is not active."""
    deadline_at: Mapped[float | None]
    """The deadline of ``blocked_on``, on the same clock."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)

    @property
    def kind(self) -> str:
        """The ``RunKind`` of the configuration; runs of earlier releases train."""
        return str(self.config.get("kind", "training"))


class Round(NumberedRow):
    """One committed round, with counts and sums of its replies, so that a list of rounds is one query."""

    __tablename__ = "rounds"
    __table_args__ = (Index("uq_rounds_run_id_round", "run_id", "round", unique=True), NO_ID_TWICE)

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    attempt: Mapped[int]
    committed_at: Mapped[datetime] = mapped_column(UtcTime)
    elapsed_seconds: Mapped[float] = mapped_column(server_default="0")
    """How long the run had been active at the end of the round, waits and pauses included, by the monotonic clock."""
    seconds: Mapped[float]
    train_seconds: Mapped[float]
    aggregate_seconds: Mapped[float]
    evaluate_seconds: Mapped[float]
    bytes_down: Mapped[int] = mapped_column(BigInteger)
    bytes_up: Mapped[int] = mapped_column(BigInteger)
    outcomes: Mapped[dict[str, dict[str, int]]] = mapped_column(JSON)
    """Phase -> outcome -> number of replies."""
    metrics: Mapped[dict[str, float | None]] = mapped_column(JSON)
    spread: Mapped[dict[str, list[float]] | None] = mapped_column(NullableJson)
    """Metric -> the fields of ``Spread``; NULL in rounds of older releases, some of which stored fewer fields."""
    checkpoint: Mapped[dict[str, Any]] = mapped_column(JSON)
    confusion: Mapped[dict[str, Any] | None] = mapped_column(NullableJson, deferred=True)
    """``counts``, the confusion matrix summed over the clients that share theirs, and how many ``clients`` they are."""


class Reply(Row):
    """The outcome of one client's task in one phase of one attempt at a round."""

    __tablename__ = "replies"
    __table_args__ = (
        Index("uq_replies_task", "run_id", "round", "attempt", "phase", "client_id", unique=True),
        Index("ix_replies_client", "client_id", "phase", "id", "outcome"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    attempt: Mapped[int]
    phase: Mapped[str] = mapped_column(String(10))
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(Text)
    num_examples: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None]
    offered_at_seconds: Mapped[float | None]
    received_at_seconds: Mapped[float | None]
    bytes_down: Mapped[int] = mapped_column(BigInteger)
    bytes_up: Mapped[int] = mapped_column(BigInteger)


class MetricPoint(NumberedRow):
    """One value of a metric; ``client_id`` NULL is the aggregate. Ids grow with time: readers continue after an id."""

    __tablename__ = "metric_points"
    __table_args__ = (
        Index("ix_metric_points_run", "run_id", "id"),
        Index("ix_metric_points_series", "run_id", "client_id", "phase", "name", "round"),
        NO_ID_TWICE,
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(10))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[float | None]
    kind: Mapped[str] = mapped_column(String(6))
    """finite, nan, inf or -inf; ``value`` is NULL unless it is finite."""


RUNS = cast(Table, Run.__table__)
ROUNDS = cast(Table, Round.__table__)
REPLIES = cast(Table, Reply.__table__)
METRIC_POINTS = cast(Table, MetricPoint.__table__)
