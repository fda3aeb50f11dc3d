"""The form of a run like another one: the same, a duplicate, or one that evaluates a round of it."""

import re
from collections.abc import Mapping
from typing import Any

from federation.run.fields.kinds import DATA, MODEL
from webapp.pages.start.fields import FIELDS
from webapp.pages.start.form import StartForm, default_form

_COPY = re.compile(r"(.+) \(copy(?: ([0-9]{1,6}))?\)")
MAX_NAME = FIELDS["name"].max_length or 0


def form_of(config: Mapping[str, Any]) -> StartForm:
    """Return the form that would start a run with the same configuration, and would repeat the run with its seed."""
    options = config.get("strategy_options", {}).items()
    given = {**config, **{f"{config['strategy']}.{key}": value for key, value in options}}
    values = {name: FIELDS[name].text(value) for name, value in given.items() if name in FIELDS and name != "clients"}
    ids = config.get("clients")
    chosen = frozenset(map(str, ids or ()))
    return StartForm(default_form().values | values, who="all" if ids is None else "some", chosen=chosen)


def duplicate_form(config: Mapping[str, Any]) -> StartForm:
    """Return the form of a run with the same configuration and another seed, under another name.

    The data seed stays what it was for the split of the data, so that both runs train on the same partitions.
    """
    form = form_of(config)
    values = form.values | {"seed": "", "name": copy_name(config["name"]) if config["name"] else ""}
    if FIELDS["data_seed"].applies(values):
        values["data_seed"] = values["data_seed"] or form.values["seed"]
    if values["evaluated_run"]:
        values["initial_weights"] = ""  # the copy of that run's round
    return StartForm(values, who=form.who, chosen=form.chosen)


def evaluation_form(config: Mapping[str, Any], run_id: int, number: int) -> StartForm:
    """Return the form that evaluates a round of a run, over all clients, on the samples that the run held out."""
    of_round = {"kind": "evaluation", "evaluated_run": str(run_id), "evaluated_round": str(number)}
    return StartForm(default_form().values | taken_over(config) | of_round)


def taken_over(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers that the evaluation of a run takes over from it: its network and its data."""
    return {name: value for name, value in form_of(config).values.items() if name in MODEL | DATA}


def copy_name(name: str) -> str:
    """Return the name for a duplicate: ``A (copy)``, and for one of that ``A (copy 2)``."""
    found = _COPY.fullmatch(name)
    of, number = (found[1], int(found[2] or 1) + 1) if found else (name, 1)
    mark = f" (copy {number})" if number > 1 else " (copy)"
    return f"{of[: MAX_NAME - len(mark)].rstrip()}{mark}"
