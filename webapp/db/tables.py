"""The tables. Times are UTC; NaN and infinity are stored as NULL with a kind; ids of deleted rows are not reused."""

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Id = BigInteger().with_variant(Integer, "sqlite")
NullableJson = JSON(none_as_null=True)


class UtcTime(TypeDecorator[datetime]):
    """A time that has a time zone in Python, and is stored as UTC because SQLite stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; raises ValueError for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Row(DeclarativeBase):
    """Base of the tables; constraints have fixed names, by which migrations change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Run(Row):
    """One run: its configuration, its state, and its last committed round."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_state", "state"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
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


class Round(Row):
    """One committed round, with counts and sums of its replies, so that a list of rounds is one query."""

    __tablename__ = "rounds"
    __table_args__ = (Index("uq_rounds_run_id_round", "run_id", "round", unique=True), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    attempt: Mapped[int]
    committed_at: Mapped[datetime] = mapped_column(UtcTime)
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


class MetricPoint(Row):
    """One value of a metric; ``client_id`` NULL is the aggregate. Ids grow with time: readers continue after an id."""

    __tablename__ = "metric_points"
    __table_args__ = (
        Index("ix_metric_points_run", "run_id", "id"),
        Index("ix_metric_points_series", "run_id", "client_id", "phase", "name", "round"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(10))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[float | None]
    kind: Mapped[str] = mapped_column(String(6))
    """finite, nan, inf or -inf; ``value`` is NULL unless it is finite."""


class Client(Row):
    """One client, by its public key. Only the Flower server knows whether it is online."""

    __tablename__ = "clients"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    public_key: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(String(64))
    said_name: Mapped[str | None] = mapped_column(String(64))
    """The name that the client reports, where a person gave it another; NULL where ``name`` is the reported one."""
    state: Mapped[str] = mapped_column(String(10))
    """admitted, pending or revoked."""
    kind: Mapped[str] = mapped_column(String(10))
    lane: Mapped[str] = mapped_column(String(10))
    node_id: Mapped[str | None] = mapped_column(String(20))
    """Flower's node id, an unsigned 64-bit number in decimal."""
    left_out: Mapped[bool] = mapped_column(default=False)
    """Excluded from all runs by a person."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    versions: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    first_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)


class TaskFailure(Row):
    """The last failed task of a client. ``log`` is NULL where the client does not share its log."""

    __tablename__ = "task_failures"

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcTime)
    error: Mapped[str] = mapped_column(Text)
    frames: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """The last frames of the app's own code, the innermost last: file, line, function, code."""
    log: Mapped[list[str] | None] = mapped_column(NullableJson)


class RunEvent(Row):
    """One event of a run or a client; rows are only added. Event streams send its id."""

    __tablename__ = "run_events"
    __table_args__ = (
        Index("ix_run_events_run", "run_id", "id"),
        Index("ix_run_events_client", "client_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    type: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UtcTime)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


RUNS = cast(Table, Run.__table__)
ROUNDS = cast(Table, Round.__table__)
REPLIES = cast(Table, Reply.__table__)
METRIC_POINTS = cast(Table, MetricPoint.__table__)
RUN_EVENTS = cast(Table, RunEvent.__table__)
