"""How far trackers of experiments have read the events, and up to which round MLflow has each run."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NO_ID_TWICE, NumberedRow, Row, UtcTime


class Sending(StrEnum):
    """Whether a run has been sent to MLflow."""

    WAITING = "waiting"
    """The run has news that were not sent yet."""
    SENT = "sent"
    FAILING = "failing"
    """The last try failed; the next one is not before ``next_try_at``."""
    GONE = "gone"
    """The run was deleted in MLflow: nothing is sent, unless the run is restored there and has news here."""


class TrackingCursor(Row):
    """The newest event that was read for a tracker."""

    __tablename__ = "tracking_cursors"

    tracker: Mapped[str] = mapped_column(String(600), primary_key=True)
    """The URL of an MLflow server, or the folder of TensorBoard's files as a URL."""
    event_id: Mapped[int] = mapped_column(BigInteger)


class MlflowRun(NumberedRow):
    """A run, or with ``client_id`` a client in it, as a run of an MLflow server.

    A client is sent with its run: only ``state`` (gone or not) and ``sent_state`` are its own.
    """

    __tablename__ = "mlflow_runs"
    __table_args__ = (Index("ix_mlflow_runs_run", "run_id", "server"), NO_ID_TWICE)

    server: Mapped[str] = mapped_column(String(500))
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    key: Mapped[str] = mapped_column(String(36))
    """A tag in MLflow by which the run is found again where the answer to its creation was lost."""
    mlflow_id: Mapped[str | None] = mapped_column(String(256))
    experiment_id: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10))
    """A value of ``Sending``."""
    sent_round: Mapped[int]
    """All rounds up to this one have arrived; -1: none."""
    sent_point: Mapped[int] = mapped_column(BigInteger)
    """All metric points up to this id have arrived."""
    sent_state: Mapped[str] = mapped_column(String(40))
    """The state that MLflow has, and when the run ended in milliseconds; empty: none."""
    tries: Mapped[int]
    """How many tries have failed since the last one that did not."""
    error: Mapped[str] = mapped_column(String(300))
    next_try_at: Mapped[datetime] = mapped_column(UtcTime)
