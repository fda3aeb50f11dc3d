"""``flwr run``, ``flwr ls`` and ``flwr stop``; all other calls of the command are refused with what it can do."""

from io import BytesIO

from fastapi import Request
from fastapi.responses import Response

from federation.apps.cli_messages import (
    listed,
    read_app_to_run,
    read_run_to_stop,
    read_wanted_runs,
    started,
    stopped,
)
from webapp.db.tables import AppState
from webapp.http.origin import site_of
from webapp.operations.flwr_cli.runs import app_run, list_app_runs, queue_app_run
from webapp.problems import NotFound
from webapp.routes.api.apps.apps import noted
from webapp.routes.dependencies import ByDep, NoteDep, PartsDep, SteeringDep
from webapp.routes.flwr_cli.messages import NOT_ANSWERED, BodyDep, answer, calls, understood

router = calls()


@router.post("/start-run")
def start_run(parts: PartsDep, request: Request, note: NoteDep, by: ByDep, body: BodyDep) -> Response:
    """Keep an app, and queue a run of it where it is approved."""
    sent, site = understood(read_app_to_run, body), site_of(request, parts.settings)
    app = noted(parts.apps.add(BytesIO(sent.fab), by), note)
    if app.state is not AppState.APPROVED:
        waits = f"{app.title} is {app.state}, an admin has to approve it: {site}/apps/{app.id}. Then run it again."
        return answer(started(None, waits))
    run_id = queue_app_run(parts.runs, app, sent.settings, by)
    note.add_runs([run_id])
    return answer(started(run_id, f"{site}/runs/{run_id} shows the run."))


@router.post("/list-runs")
def list_runs(parts: PartsDep, body: BodyDep) -> Response:
    """List the runs of apps, newest first."""
    return answer(listed(list_app_runs(parts.database, understood(read_wanted_runs, body))))


@router.post("/stop-run")
def stop_run(parts: PartsDep, steering: SteeringDep, note: NoteDep, body: BodyDep) -> Response:
    """Stop a run of an app, or cancel one that is queued."""
    run_id = understood(read_run_to_stop, body)
    with parts.database.read() as session:
        run_id = app_run(session, run_id).id
    note.add_runs([run_id])
    steering.stop_run(run_id)
    return answer(stopped())


@router.post("/{call}")
def refuse(call: str) -> Response:
    """Refuse what the command cannot do here."""
    raise NotFound(NOT_ANSWERED)
