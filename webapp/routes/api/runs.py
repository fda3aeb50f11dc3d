"""/api/runs: create, list, show, delete, and the rounds of a run."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import Field

from federation.run.networks import trains_own_data
from federation.run.states import RunState
from webapp.db.repository.clients import list_clients
from webapp.db.repository.rounds import TROUBLE, count_rounds, last_round_within, list_replies, list_rounds
from webapp.operations.own_data.names import data_name_warning
from webapp.operations.round_views import RoundList, round_view
from webapp.operations.run_moves import get_run
from webapp.operations.run_requests import RunRequest
from webapp.operations.views import RunList, RunView
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import MAX_ROUND, NO_NUL, ByDep, Id, NoteDep, PartsDep

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=REFUSED)

EXAMPLES = {
    "defaults": {"summary": "Three rounds with two clients that hold digits", "value": {}},
    "named": {
        "summary": "Ten rounds, non-IID partitions, a fixed seed",
        "value": {
            "name": "Non-IID digits",
            "num_rounds": 10,
            "partitioner": "dirichlet",
            "dirichlet_alpha": 0.3,
            "seed": 7,
        },
    },
}
MAX_PROBLEMS = 10_000
"""Of all rounds of one answer."""
Sought = Annotated[
    str, Query(max_length=200, pattern=NO_NUL, description="Search name, network, dataset, strategy; #12 is an id.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of runs.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="Number of runs to skip, newest first.")]


class CreatedRun(RunView):
    """A run that was just queued."""

    warnings: list[str] = Field(description="What a person should know of the run; empty: nothing.")


@router.post("", status_code=201)
def create_run(
    parts: PartsDep, note: NoteDep, by: ByDep,
    config: Annotated[RunRequest, Body(openapi_examples=EXAMPLES)],
) -> CreatedRun:  # fmt: skip
    """Queue a run. It starts at once if no run is active: its state is then waiting, else queued."""
    run = parts.runs.create(config, by)
    note.add_runs([run.id])
    network, dataset, warning = run.config["network"], run.config.get("dataset", ""), None
    if trains_own_data(network, dataset):
        with parts.database.read() as session:
            warning = data_name_warning(network, dataset, list_clients(session))
    return CreatedRun(**dict(run), warnings=[f"{warning}."] if warning else [])


@router.get("")
def list_runs(
    parts: PartsDep,
    state: Annotated[list[RunState] | None, Query(description="Runs in one of these states.")] = None,
    q: Sought = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> RunList:
    """Return runs, newest first."""
    items, total = parts.runs.list(state or (), q, limit, offset)
    return RunList(items=items, total=total)


@router.get("/{run_id}", responses=MISSING)
def show_run(parts: PartsDep, run_id: Id) -> RunView:
    """Return one run."""
    return parts.runs.show(run_id)


@router.delete("/{run_id}", status_code=204, responses=CONFLICT)
def delete_run(parts: PartsDep, by: ByDep, run_id: Id) -> None:
    """Delete a run with its metrics, events and weights."""
    parts.runs.delete(run_id, by)


@router.get("/{run_id}/rounds", responses=MISSING)
def list_run_rounds(
    parts: PartsDep,
    run_id: Id,
    after: Annotated[int, Query(ge=-1, le=MAX_ROUND, description="Rounds after this number.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of rounds.")] = 1000,
) -> RoundList:
    """Return completed rounds, oldest first, with the problems of each.

    There are fewer of them where they have over 10,000 problems together; request the others with ``after``.
    """
    with parts.database.read() as session:
        get_run(session, run_id)
        rows = list_rounds(session, run_id, after=after, limit=limit)
        first, last = (rows[0].round, rows[-1].round) if rows else (0, -1)
        last = last_round_within(session, run_id, first, last, MAX_PROBLEMS)
        troubles = list_replies(session, run_id, first, last, outcomes=TROUBLE)
        total = count_rounds(session, run_id)
    return RoundList(items=[round_view(row, troubles) for row in rows if row.round <= last], total=total)
