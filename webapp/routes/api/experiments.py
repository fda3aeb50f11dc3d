"""/api/experiments: create, list, show, pause, resume and cancel groups of runs."""

from typing import Annotated

from fastapi import APIRouter, Body

from webapp.operations.experiments.requests import ExperimentRequest
from webapp.operations.experiments.views import ExperimentList, ExperimentView, ExperimentWithRuns
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.api.runs import Limit, Offset
from webapp.routes.dependencies import ExperimentsDep, Id, NoteDep

router = APIRouter(prefix="/api/experiments", tags=["experiments"], responses=REFUSED)

EXAMPLES = {
    "grid": {
        "summary": "Six configurations with five seeds each: 30 runs",
        "value": {
            "name": "Learning rates",
            "config": {"partitioner": ["iid", "dirichlet"], "learning_rate": {"from": 0.001, "to": 0.1, "factor": 10}},
            "seeds": 5,
        },
    },
}  # fmt: skip


@router.post("", status_code=201)
def create_experiment(
    experiments: ExperimentsDep, note: NoteDep, request: Annotated[ExperimentRequest, Body(openapi_examples=EXAMPLES)]
) -> ExperimentView:
    """Queue every combination of the settings once for each seed, 1,000 runs at most, as one group.

    Runs that people start themselves start before them. After a restart of the dashboard the group continues by itself.
    """
    experiment = experiments.create(request)
    note.target = f"experiment {experiment.id}"
    return experiment


@router.get("")
def list_experiments(experiments: ExperimentsDep, limit: Limit = 50, offset: Offset = 0) -> ExperimentList:
    """Return experiments, newest first."""
    return experiments.list(limit, offset)


@router.get("/{experiment_id}", responses=MISSING)
def show_experiment(experiments: ExperimentsDep, experiment_id: Id) -> ExperimentWithRuns:
    """Return one experiment with its runs."""
    return experiments.show_runs(experiment_id)


@router.post("/{experiment_id}/pause", status_code=202, responses=CONFLICT)
def pause_experiment(experiments: ExperimentsDep, experiment_id: Id) -> ExperimentView:
    """Start none of the queued runs until the experiment is resumed. Active runs continue to their end."""
    experiments.pause(experiment_id)
    return experiments.show(experiment_id)


@router.post("/{experiment_id}/resume", status_code=202, responses=CONFLICT)
def resume_experiment(experiments: ExperimentsDep, experiment_id: Id) -> ExperimentView:
    """Start the queued runs of a paused experiment again; its interrupted runs continue first."""
    experiments.resume(experiment_id)
    return experiments.show(experiment_id)


@router.post("/{experiment_id}/cancel", status_code=202, responses=CONFLICT)
def cancel_experiment(experiments: ExperimentsDep, experiment_id: Id) -> ExperimentView:
    """Cancel the queued runs and stop the active ones. Completed rounds and their weights are kept."""
    experiments.cancel(experiment_id)
    return experiments.show(experiment_id)
