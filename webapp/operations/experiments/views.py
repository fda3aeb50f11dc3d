"""What the API shows of experiments and of their runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from federation.run.states import RunState
from webapp.db.tables import Experiment, ExperimentState, Run


class RunOfExperiment(BaseModel):
    """One run of an experiment; GET /api/runs/{id} tells the rest."""

    id: int
    configuration: int = Field(description="The number of its configuration, from 1.")
    seed: int
    state: RunState
    reason: str | None
    current_round: int
    num_rounds: int
    best_metrics: dict[str, Any]
    last_metrics: dict[str, float | None]


class ExperimentView(BaseModel):
    """The current state of one experiment."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Learning rates"])
    state: ExperimentState
    config: dict[str, Any] = Field(description="The settings as they were given, with lists and ranges.")
    varied: list[str] = Field(description="The settings with several values.", examples=[["learning_rate"]])
    seeds: list[int]
    configurations: int
    total: int = Field(description="Number of runs, without those that were deleted.")
    counts: dict[RunState, int] = Field(description="Number of runs by state.", examples=[{"completed": 12}])
    created_at: datetime
    finished_at: datetime | None
    started_by: str | None
    moved_by: str | None = Field(description="Who paused, resumed or cancelled the experiment last.")


class ExperimentWithRuns(ExperimentView):
    """One experiment with all its runs, by configuration."""

    runs: list[RunOfExperiment]


class ExperimentList(BaseModel):
    """A page of experiments, newest first."""

    items: list[ExperimentView]
    total: int


def experiment_view(experiment: Experiment, counts: Mapping[str, int]) -> ExperimentView:
    """Return an experiment with the numbers of its runs by state."""
    return ExperimentView(**_values(experiment, counts))


def experiment_with_runs(experiment: Experiment, counts: Mapping[str, int], runs: Sequence[Run]) -> ExperimentWithRuns:
    """Return an experiment with its runs."""
    return ExperimentWithRuns(**_values(experiment, counts), runs=[_run(run) for run in runs])


def _values(experiment: Experiment, counts: Mapping[str, int]) -> dict[str, Any]:
    columns = {name: getattr(experiment, name) for name in ExperimentView.model_fields if hasattr(experiment, name)}
    return columns | {"total": sum(counts.values()), "counts": dict(counts)}


def _run(run: Run) -> RunOfExperiment:
    names = RunOfExperiment.model_fields.keys() - {"seed"}
    return RunOfExperiment(**{name: getattr(run, name) for name in names}, seed=run.config["seed"])
