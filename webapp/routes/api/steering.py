"""/api/runs/{id}/…: pause, continue, resume, add rounds, leave a client out, let it in; and what ends a wait."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from webapp.operations.steering import MAX_CLIENTS, MAX_ROUNDS, MAX_WAIT_SECONDS
from webapp.operations.views import RunView
from webapp.routes.api.errors import CONFLICT, REFUSED
from webapp.routes.dependencies import MAX_ID, Id, RunsDep, SteeringDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["steering"], responses={**REFUSED, **CONFLICT})


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MoreRounds(_Body):
    """How many rounds to add."""

    add: Annotated[int, Field(ge=1, le=MAX_ROUNDS, examples=[5])]


class OneClient(_Body):
    """Which client."""

    client_id: Annotated[int, Field(ge=1, le=MAX_ID, examples=[1])]


class FewestClients(_Body):
    """How few clients are enough."""

    min_clients: Annotated[int, Field(ge=1, le=MAX_CLIENTS, examples=[1])]


class Longer(_Body):
    """How much longer to wait."""

    seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS, examples=[600])]


@router.post("/pause", status_code=202)
def pause_run(steering: SteeringDep, runs: RunsDep, run_id: Id) -> RunView:
    """Pause a running run after the round that is under way. Clients stay connected."""
    steering.pause(run_id)
    return runs.show(run_id)


@router.post("/continue", status_code=202)
def continue_run(steering: SteeringDep, runs: RunsDep, run_id: Id) -> RunView:
    """End a pause, or take back the wish for one."""
    steering.go_on(run_id)
    return runs.show(run_id)


@router.post("/resume", status_code=202)
def resume_run(steering: SteeringDep, runs: RunsDep, run_id: Id) -> RunView:
    """Let an interrupted, stopped or failed run go on from its last committed round; or a queued one that is held."""
    steering.resume(run_id)
    return runs.show(run_id)


@router.post("/rounds", status_code=202)
def add_rounds(steering: SteeringDep, runs: RunsDep, run_id: Id, body: MoreRounds) -> RunView:
    """Add rounds; a run that is over goes on with them."""
    steering.add_rounds(run_id, body.add)
    return runs.show(run_id)


@router.post("/exclude", status_code=202)
def exclude_client(steering: SteeringDep, runs: RunsDep, run_id: Id, body: OneClient) -> RunView:
    """Leave a client out of this run from the next round on."""
    steering.exclude(run_id, body.client_id)
    return runs.show(run_id)


@router.post("/include", status_code=202)
def include_client(steering: SteeringDep, runs: RunsDep, run_id: Id, body: OneClient) -> RunView:
    """Let a client in again that was left out of this run, or put aside after refused replies."""
    steering.include(run_id, body.client_id)
    return runs.show(run_id)


@router.post("/min_clients", status_code=202)
def ask_for_clients(steering: SteeringDep, runs: RunsDep, run_id: Id, body: FewestClients) -> RunView:
    """Let a run do with fewer clients, at once; or ask for more, from its next round on."""
    steering.ask_for_clients(run_id, body.min_clients)
    return runs.show(run_id)


@router.post("/wait", status_code=202)
def wait_longer(steering: SteeringDep, runs: RunsDep, run_id: Id, body: Longer) -> RunView:
    """Move the deadline by which the clients of a waiting run must be here."""
    steering.wait_longer(run_id, body.seconds)
    return runs.show(run_id)


@router.post("/front", status_code=202)
def move_to_front(steering: SteeringDep, runs: RunsDep, run_id: Id) -> RunView:
    """Let a queued run start before the others. One that a restart holds back stays held, and is the first then."""
    steering.move_to_front(run_id)
    return runs.show(run_id)
