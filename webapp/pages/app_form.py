"""The form that starts a run of a Flower App: its settings, and few options of the run itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from federation.run.config import RunConfig
from webapp.operations.apps.store import AppView
from webapp.pages.start.fields import FIELDS
from webapp.problems import Invalid

SETTING = "setting."
"""Before the name of each setting in the form: an app may give them any name."""
OPTIONS = {
    "name": ("Run name", "App and version where empty"),
    "min_clients": ("Minimum SuperNodes", "The app starts once as many are online"),
    "quorum_timeout_seconds": ("Client wait timeout, seconds", "How long the run waits for them before it fails"),
    "round_timeout_seconds": ("Message timeout, seconds", "The run fails after as long without a message or a reply"),
    "stop_seconds": ("Time limit, seconds", "The run fails then; empty: none"),
}
"""Options of the run: label and hint."""


def run_form(app: AppView) -> dict[str, Any]:
    """Return the fields of the form by name, with their defaults."""
    options = {name: FIELDS[name].default for name in OPTIONS}
    return {f"{SETTING}{name}": value for name, value in app.settings.items()} | options


def run_config(app: AppView, settings: Mapping[str, Any], typed: Mapping[str, str]) -> RunConfig:
    """Return the configuration that a form describes; raises Invalid."""
    given = {name: text for name in OPTIONS if (text := typed[name].strip())}
    try:
        return RunConfig.model_validate(
            {"network": "app", "app": app.hash, "app_config": dict(settings), **given}, strict=False
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "settings"
        label = OPTIONS[field][0] if field in OPTIONS else field
        raise Invalid(field, f"{label}: {first['msg']}") from error
