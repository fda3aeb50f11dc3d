"""Runs of Flower Apps as the flwr command starts and lists them."""

from collections.abc import Mapping, Sequence
from typing import Any

from federation.apps.cli_messages import ListedRun, WantedRuns
from federation.run.config import RunConfig
from federation.run.states import ENDED, RunState
from webapp.db.database import Database, Session
from webapp.db.repository.apps import apps_of_hashes
from webapp.db.repository.run_list import RunFilter, find_runs
from webapp.db.tables import Run
from webapp.operations.apps.store import AppView, settings_of
from webapp.operations.run_moves import get_run
from webapp.operations.runs import Runs
from webapp.problems import NotFound
from webapp.sanitizing import clean_text

MAX_RUNS, MAX_ID = 1_000, 2**53 - 1


def queue_app_run(runs: Runs, app: AppView, settings: Mapping[str, Any], by: str) -> int:
    """Queue a run of an approved app and return its id; raises Invalid for settings that the app does not have."""
    config = RunConfig(network="app", app=app.hash, app_config=settings_of(app, settings))
    return runs.create(config, by).id


def list_app_runs(database: Database, wanted: WantedRuns) -> list[ListedRun]:
    """Return the runs of apps that ``flwr ls`` asks for, newest first; raises NotFound."""
    with database.read() as session:
        if wanted.run_id is not None:
            return _listed(session, [app_run(session, wanted.run_id)])
        skip = min(wanted.skip, MAX_ID)
        return _listed(session, find_runs(session, RunFilter(network="app"), min(wanted.limit, MAX_RUNS), skip)[0])


def app_run(session: Session, run_id: int) -> Run:
    """Return a run of an app; raises NotFound."""
    run = get_run(session, min(run_id, MAX_ID))
    if run.network != "app":
        raise NotFound(f"Run {run_id} is not of a Flower App: see the dashboard.")
    return run


def sentence_of(run: Run) -> str:
    """Say what an app's own log cannot: what its run waits for, and how it ended; empty while the app runs."""
    if run.state in (RunState.QUEUED, RunState.WAITING):
        sentence: str = (run.blocked_on or {}).get("sentence", f"run {run.id} is {run.state}")
        return sentence
    reason = f": {clean_text(run.reason)}" if run.reason else ""
    return f"run {run.id} {run.state}{reason}" if run.state in ENDED else ""


def _listed(session: Session, runs: Sequence[Run]) -> list[ListedRun]:
    known = apps_of_hashes(session, {run.config["app"] for run in runs})
    return [
        ListedRun(
            run.id, f"{app.publisher}/{app.name}" if app else "deleted", app.version if app else "", run.config["app"],
            RunState(run.state), run.reason or (run.blocked_on or {}).get("sentence", ""), run.queued_at,
            run.started_at, run.finished_at,
        )
        for run in runs for app in [known.get(run.config["app"])]
    ]  # fmt: skip
