"""/api/experiments: create, list, show, pause, resume and cancel groups of runs."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body

from webapp.operations.experiments.experiments import Experiments
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


def _endpoint(operation: Callable[[Experiments, int], None]) -> Callable[..., ExperimentView]:
    def act(experiments: ExperimentsDep, experiment_id: Id) -> ExperimentView:
        operation(experiments, experiment_id)
        return experiments.show(experiment_id)

    return act


for operation in (Experiments.pause, Experiments.resume, Experiments.cancel):
    router.add_api_route(
        f"/{{experiment_id}}/{operation.__name__}", _endpoint(operation), methods=["POST"], status_code=202,
        responses=CONFLICT, name=f"{operation.__name__}_experiment", description=operation.__doc__,
    )  # fmt: skip
