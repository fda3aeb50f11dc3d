"""The run that a person asks for: a ``RunConfig`` in which clients may be given by id or by a name that is unique."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, WithJsonSchema

from federation.learning.sizes import BYTES_PER_PARAMETER, parameters_of
from federation.run.config import MAX_CLIENTS, RunConfig
from federation.run.rounds.stop_rules import RunPast
from federation.run.strategies import models_in_memory
from federation.schema.spec import Spec
from webapp.db.database import Session
from webapp.db.repository.apps import is_approved
from webapp.db.repository.clients import ids_by_name, known_ids
from webapp.db.repository.rounds import get_round
from webapp.db.repository.series import read_series
from webapp.db.tables import Run
from webapp.formatting import plural, size
from webapp.machine import memory_bytes
from webapp.problems import Conflict, Invalid
from webapp.sanitizing import is_one_line

MAX_ID, MAX_NAME = 2**53, 64


def _reference(value: Any) -> int | str:
    if isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME:
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_ID:
        return value
    raise ValueError(f"must be the id of a client, or a name of 1 to {MAX_NAME:,} characters")


ClientReference = Annotated[
    Any,
    PlainValidator(_reference),
    WithJsonSchema({"anyOf": [
        {"type": "integer", "minimum": 1, "exclusiveMaximum": MAX_ID},
        {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    ]}),
]  # fmt: skip
"""An id or a name of a client. One validator for both, so that a bad entry is one error with one sentence."""


class RunRequest(RunConfig):
    """The body of POST /api/runs."""

    clients: list[ClientReference] | None = Field(
        None, min_length=1, max_length=MAX_CLIENTS, fail_fast=True, examples=[[1, "site-b"]],
        description="Selected clients, by id or by a unique name; null: all clients.",
    )  # fmt: skip


def round_memory(config: RunConfig, updates: int, spec: Spec | None = None) -> int | None:
    """Return the bytes that the server needs at once for a round with so many updates; None: the size is unknown.

    ``spec`` is that of clients' own data.
    """
    parameters = parameters_of(config, spec)
    if parameters is None:
        return None
    capped = config.max_weight_share is not None
    models = models_in_memory(config.strategy, updates, norm_rule=config.norm_rule, is_share_capped=capped)
    return int(models * parameters * BYTES_PER_PARAMETER)


def require_memory(config: RunConfig) -> None:
    """Raise Invalid for a run whose smallest round does not fit in the memory of this machine."""
    needed, most = round_memory(config, config.min_clients), memory_bytes()
    if needed is not None and needed > most:
        what = f"{config.strategy} with {plural(config.min_clients, 'client')} needs about {size(needed)} of memory"
        advice = "Choose fewer clients, a smaller model, or FedAvg without update checks"
        raise Invalid("min_clients", f"{what} on the server, which has {size(most)}. {advice}")


def stored_config(run: Run) -> RunConfig:
    """Return the configuration of a stored run; raises Conflict if this release cannot read it, and names the field."""
    try:
        return RunConfig.model_validate(run.config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise Conflict(
            f"The configuration of run {run.id} was stored by another release of Meadow, and this one cannot read it: "
            f"{field[:100]}: {first['msg'][:200]}. Start a new run instead."
        ) from error


def accept_config(session: Session, config: RunConfig, holds: Callable[[str], bool] | None = None) -> RunConfig:
    """Return the configuration as a run may have it, with ids for names of clients.

    ``holds`` says whether uploaded weights are there. Raises Invalid for text that no table holds, for a run that is
    too large for this machine, for weights that are not there, and for a client that cannot be found.
    """
    if not is_one_line(config.name):
        raise Invalid("name", "must not contain control characters")
    require_memory(config)
    if config.node_app and not is_approved(session, config.node_app):
        raise Invalid("node_app", "No approved app has this hash: see the page Apps.")
    if config.initial_weights is not None and holds is not None and not holds(config.initial_weights):
        raise Invalid("initial_weights", "No uploaded weights have this id: POST them to /api/weights first.")
    return resolve_clients(session, config)


def past_of(session: Session, run: Run, config: RunConfig) -> RunPast:
    """Return what the stop rules of a run need of its committed rounds."""
    rules, after = config.stop_rules, run.rules_after
    if run.checkpoint is None or not rules.are_any:
        return RunPast(after)
    phase, _, name = rules.metric.partition("_")
    series = read_series(session, run.id, phase, name, after=after or -1)  # the traffic of round 0 counts
    before, last = (get_round(session, run.id, number) for number in (after, run.current_round))
    rounds = zip(series["round"].tolist(), series["mean"].tolist(), strict=True)
    return RunPast(
        after, run.active_seconds - (before.elapsed_seconds if before is not None and after else 0.0),
        int(series["sent"].max(initial=0)),
        [(number, mean) for number, mean in rounds if number > 0 and series.mean_in(number) is not None],
        last is None or "evaluate" in last.outcomes or last.round % config.evaluate_every == 0,
    )  # fmt: skip


def resolve_clients(session: Session, config: RunConfig) -> RunConfig:
    """Return the config with ids for names; raises Invalid for a client that is unknown, or a name of several."""
    if config.clients is None:
        return config
    references: list[int | str] = list(config.clients)
    names = {one for one in references if isinstance(one, str)}
    for index, one in enumerate(references):
        if isinstance(one, str) and not is_one_line(one):
            raise Invalid(f"clients.{index}", "must not contain control characters")
    by_name = ids_by_name(session, names)
    known = known_ids(session, {one for one in references if isinstance(one, int)})
    ids: dict[int, None] = {}
    for index, one in enumerate(references):
        found = by_name.get(one, []) if isinstance(one, str) else [one] if one in known else []
        if len(found) != 1:
            raise Invalid(f"clients.{index}", _sentence(one, found))
        ids[found[0]] = None
    return RunConfig.model_validate(config.model_dump() | {"clients": list(ids)})


def _sentence(reference: int | str, found: list[int]) -> str:
    if not found:
        return f"There is no client {reference}" if isinstance(reference, int) else f"No client is named {reference}"
    ids = ", ".join(map(str, found))
    return f"{len(found):,} clients are named {reference}: use one of the ids {ids}"
