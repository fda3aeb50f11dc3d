"""Runs of Flower Apps: the configuration of one, and what a supervisor and SuperNodes need to run it."""

from collections.abc import Mapping
from typing import Any

from federation.apps.archive import ApprovedApp
from federation.apps.client_functions import is_made_of_client_fn
from federation.coordinator.supervisor import AppNotApproved
from federation.run.config import MAX_ROUNDS, RunConfig
from federation.server.flower_server import NodeApp, NotPosted
from webapp.operations.apps.store import Apps, AppView, settings_of
from webapp.problems import Conflict, Invalid

ROUNDS = "num-server-rounds"
"""The setting by which apps say how many rounds they do, as those of ``flwr new`` have it."""


def accept_app(apps: Apps, config: RunConfig) -> RunConfig:
    """Return the configuration of a run as its app may have it; raises Invalid and Conflict."""
    app, _ = apps.approved(config.app or "")
    settings = settings_of(app, config.app_config)
    rounds = settings.get(ROUNDS)
    known = isinstance(rounds, int) and not isinstance(rounds, bool) and 1 <= rounds <= MAX_ROUNDS
    return config.model_copy(update={
        "app_config": settings, "num_rounds": rounds if known else 1, "name": config.name or app.title[:100],
    })  # fmt: skip


def approved_app(apps: Apps, hash: str) -> ApprovedApp:
    """Return an app for a supervisor, as it is approved at the start of the run; raises AppNotApproved."""
    try:
        app, fab = apps.approved(hash)
    except Conflict as error:
        raise AppNotApproved(error.sentence) from error
    return ApprovedApp(fab, app.hash, f"{app.publisher}/{app.name}", app.version)


def node_app(apps: Apps, hash: str) -> NodeApp:
    """Return an approved app for SuperNodes; raises NotPosted with the reason where it may not run."""
    try:
        app, fab = apps.approved(hash)
    except Conflict as error:
        raise NotPosted(error.sentence.removesuffix(".")) from error
    return NodeApp(f"{app.publisher}/{app.name}", app.version, fab, app.settings, is_made_of_client_fn(fab))


def typed_settings(app: AppView, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return settings from the texts of a form, each read as the type of its default; raises Invalid."""
    given: dict[str, Any] = {}
    for name, text in typed.items():
        default = app.settings.get(name)
        try:
            if isinstance(default, bool):
                given[name] = text == "true"
            else:
                given[name] = text if isinstance(default, str) else (int if isinstance(default, int) else float)(text)
        except (ValueError, TypeError) as error:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise Invalid("settings", f"{name} must be {kind}") from error
    return given
