"""Experiments: a group of runs that differ in some settings, each configuration once for each of the seeds."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.tables.base import NumberedRow, UtcTime


class ExperimentState(StrEnum):
    """The state of an experiment; the values are the words of the table and the API."""

    RUNNING = "running"
    """Its queued runs start when their turn comes."""
    PAUSED = "paused"
    """None of its queued runs starts."""
    CANCELLED = "cancelled"
    FINISHED = "finished"
    """None of its runs is queued or active, or will be without a person."""


_S = ExperimentState
EXPERIMENT_MOVES: dict[ExperimentState, frozenset[ExperimentState]] = {
    _S.RUNNING: frozenset({_S.PAUSED, _S.CANCELLED, _S.FINISHED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.CANCELLED, _S.FINISHED}),
    _S.CANCELLED: frozenset(),
    _S.FINISHED: frozenset({_S.RUNNING}),  # a person resumes one of its runs
}
"""State -> the states that an experiment may move to."""


class Experiment(NumberedRow):
    """One experiment. Its runs name it, with the number of their configuration."""

    __tablename__ = "experiments"

    name: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20))
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The settings as they were given: one value, a list of values, or a range."""
    varied: Mapped[list[str]] = mapped_column(JSON)
    """The settings that differ between configurations, such as ``learning_rate`` or ``strategy_options.q``."""
    seeds: Mapped[list[int]] = mapped_column(JSON)
    configurations: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    started_by: Mapped[str | None] = mapped_column(String(100))
    moved_by: Mapped[str | None] = mapped_column(String(100))
    """Who paused, resumed or cancelled the experiment last."""
