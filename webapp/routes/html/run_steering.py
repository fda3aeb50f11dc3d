"""What the steering buttons of a run post: each acts, and leads back to a page that says what it did."""

import contextlib
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from federation.run.states import ENDED, RunState
from webapp.db.repository.clients import list_clients
from webapp.operations.runs import get_run
from webapp.operations.steering import MAX_CLIENTS, MAX_ROUNDS, MAX_WAIT_SECONDS
from webapp.pages.clients.rows import split
from webapp.pages.runs.buttons import STOPPABLE
from webapp.problems import Conflict, Invalid
from webapp.routes.dependencies import MAX_ID, RunsDep, SteeringDep
from webapp.routes.html.page import PageDep, RunId, read_form

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)

FormDep = Annotated[FormData, Depends(read_form)]
SEE_OTHER = 303
STOPPED = frozenset({RunState.STOPPED, RunState.CANCELLED})


@router.post("/pause")
def pause(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Pause after the round under way."""
    steering.pause(run_id)
    return _back(form, run_id, "pause")


@router.post("/continue")
def go_on(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """End a pause, or take back the wish for one."""
    steering.go_on(run_id)
    return _back(form, run_id, "continue")


@router.post("/resume")
def resume(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Let an ended run go on, or a queued one start that a restart held back."""
    steering.resume(run_id)
    return _back(form, run_id, "resume")


@router.post("/rounds")
def add_rounds(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Add rounds; a run that is over goes on with them."""
    count = _number(form, "add", "Rounds to add", MAX_ROUNDS)
    steering.add_rounds(run_id, count)
    return _back(form, run_id, "rounds", count=count)


@router.post("/exclude")
def exclude(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Leave a client out from the next round on."""
    client_id = _number(form, "client", "Client", MAX_ID)
    steering.exclude(run_id, client_id)
    return _back(form, run_id, "exclude", of=client_id)


@router.post("/include")
def include(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Let a client in again."""
    client_id = _number(form, "client", "Client", MAX_ID)
    steering.include(run_id, client_id)
    return _back(form, run_id, "include", of=client_id)


@router.post("/min_clients")
def ask_for_clients(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Let a run do with fewer clients."""
    count = _number(form, "min_clients", "Clients", MAX_CLIENTS)
    steering.ask_for_clients(run_id, count)
    return _back(form, run_id, "min_clients", count=count)


@router.post("/wait")
def wait_longer(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Move the deadline of a wait for clients."""
    seconds = _number(form, "seconds", "Seconds", MAX_WAIT_SECONDS)
    steering.wait_longer(run_id, seconds)
    return _back(form, run_id, "wait", count=seconds)


@router.post("/front")
def move_to_front(steering: SteeringDep, run_id: RunId, form: FormDep) -> Response:
    """Let a queued run start before the others."""
    steering.move_to_front(run_id)
    return _back(form, run_id, "front")


@router.get("/stop")
def ask_to_stop(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Ask before a run is stopped: what is kept, what is lost."""
    run = get_run(page.session, run_id)
    live = page.live
    working = [c for c in split(page.session, run, list_clients(page.session), live).taking_part if c.id in live]
    return page.show("runs/stop.html", "/runs", run=run, clients=len(working), can_stop=run.state in STOPPABLE)


@router.post("/stop")
def stop(runs: RunsDep, run_id: RunId, form: FormDep) -> Response:
    """Stop an active run, cancel a queued one; of several people who do so at once all are right."""
    state = runs.show(run_id).state
    if state in ENDED - STOPPED:
        raise Conflict(f"Run {run_id} is {state} already: there is nothing to stop.")
    if state not in ENDED:
        with contextlib.suppress(Conflict):  # it ends at this moment, and the page says how
            runs.stop(run_id)
    return _back(form, run_id, "stop")


def _back(form: FormData, run_id: int, done: str, **more: int) -> Response:
    """Lead back to where the button stood: home, or the run's page."""
    home = form.get("back") == "/"
    query = urlencode({"done": done, **({"run": run_id} if home else {}), **more})
    return RedirectResponse(f"{'/' if home else f'/runs/{run_id}'}?{query}", SEE_OTHER)


def _number(form: FormData, name: str, label: str, most: int) -> int:
    value = form.get(name)
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and 0 < len(value) < 17
        and 1 <= int(value) <= most
    ):
        return int(value)
    raise Invalid(name, f"{label}: a whole number from 1 to {most} is needed")
