"""What a run that only evaluates takes over from the run that trained the weights: settings, schema, the weights."""

from typing import Any

from pydantic import ValidationError

from federation.coordinator.supervisor import CheckpointDamaged, KeptFiles, UploadUnusable
from federation.learning.sizes import parameters_of
from federation.run.config import RunConfig
from federation.run.events import Checkpoint
from federation.run.fields.kinds import DATA, MODEL
from federation.run.networks import has_test_split, trains_own_data
from webapp.db.database import Database, Session
from webapp.db.repository.rounds import get_round
from webapp.db.repository.runs import get_run, stored_agreement
from webapp.db.tables import Run
from webapp.operations.run_requests import RunRequest
from webapp.problems import Invalid, not_stored

Schema = dict[str, Any] | None


def with_weights(database: Database, files: KeptFiles | None, config: RunConfig) -> tuple[RunConfig, Schema]:
    """Return the configuration with all that the evaluated run gives, and the schema that its clients agreed on.

    Its weights are copied, so that neither the age nor the end of that run takes them away. A run that trains, and one
    that evaluates uploaded weights, has no other run's. Raises Invalid, which names the field.
    """
    if config.kind != "evaluation" or files is None:
        return config, None
    if config.evaluated_run is None:
        if trains_own_data(config.network, config.dataset):
            why = "weights for clients' own data are those of a run, whose schema says how clients encode them"
            raise Invalid("evaluated_run", why)
        _require_fit(files, config, "initial_weights")
        return config, None
    if config.initial_weights is not None:
        raise Invalid("initial_weights", "Choose a run or uploaded weights, not both.")
    with database.read() as session:
        run = _evaluated(session, config.evaluated_run)
        number, checkpoint = _checkpoint(session, run, config.evaluated_round)
        merged, schema = _merged(config, run, number), stored_agreement(session, run.id)
    try:
        weights = files.copy_round(run.id, number, checkpoint)
    except (CheckpointDamaged, UploadUnusable) as error:
        why = f"The weights of round {number:,} of run {run.id} are not there any more: {error}."
        raise Invalid("evaluated_round", f"{why} The last rounds and the best one are kept.") from error
    except OSError as error:
        raise not_stored("The weights cannot be copied", error) from error
    merged = merged.model_copy(update={"initial_weights": weights})
    _require_fit(files, merged, "dataset")
    return merged, schema


def _require_fit(files: KeptFiles, config: RunConfig, field: str) -> None:
    """Raise Invalid for weights of another size than the network has for the published data; clients find the rest."""
    needed, upload = parameters_of(config), config.initial_weights
    if needed is None or upload is None or not files.uploads.holds(upload):
        return
    try:
        held = files.uploads.parameters(upload)
    except UploadUnusable as error:
        raise Invalid("initial_weights", f"{error}.") from error
    if held != needed:
        network = f"{config.network} for {config.dataset}"
        raise Invalid(field, f"The weights have {held:,} values, the network {network} has {needed:,}.")


def committed_round(session: Session, run: Run) -> int:
    """Return the last committed round of a run, -1 before round 0. One that only evaluates has no checkpoint of it."""
    if run.checkpoint is not None:
        return int(run.checkpoint["round"])
    return 0 if run.kind == "evaluation" and get_round(session, run.id, 0) is not None else -1


def _evaluated(session: Session, run_id: int) -> Run:
    run = get_run(session, run_id)
    if run is None:
        raise Invalid("evaluated_run", f"There is no run {run_id}.")
    if run.kind != "training" or run.network == "app":
        what = "is of a Flower App, which keeps its weights" if run.network == "app" else "trained nothing"
        raise Invalid("evaluated_run", f"Run {run_id} {what}.")
    if run.config.get("personal_layers"):
        raise Invalid("evaluated_run", f"Run {run_id} has personal layers, which stay at its clients.")
    return run


def _checkpoint(session: Session, run: Run, number: int | None) -> tuple[int, Checkpoint]:
    """Return the number of the round, the last one where none is given, and its checkpoint."""
    found = run.checkpoint
    if found is None:
        raise Invalid("evaluated_run", f"Run {run.id} has no weights: no round is completed.")
    if number is not None and number != found["round"]:
        row = get_round(session, run.id, number)
        if row is None:
            raise Invalid("evaluated_round", f"Run {run.id} has no completed round {number:,}.")
        found = {**row.checkpoint, "round": number}
    return found["round"], Checkpoint(found["file"], found["sha256"], found["size_bytes"])


def _merged(config: RunConfig, run: Run, number: int) -> RunRequest:
    given = {name: getattr(config, name) for name in config.model_fields_set}
    known = RunConfig.model_validate(run.config).model_dump()
    for name in sorted(MODEL & given.keys() & run.config.keys()):
        if given[name] != known[name]:
            raise Invalid(name, f"The weights of run {run.id} are for {known[name]}.")
    taken = {name: known[name] for name in MODEL | DATA if name in run.config}
    if taken.get("data_seed") is None:
        taken["data_seed"] = known["seed"]  # the same samples are held out as in training
    if given.get("clients"):
        taken["min_clients"] = min(known["min_clients"], len(given["clients"]))
    try:
        merged = RunRequest.model_validate({**taken, **given, "evaluated_round": number})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(str(first["loc"][0]) if first["loc"] else "kind", first["msg"]) from error
    if merged.server_evaluation != "off" and not has_test_split(merged.network, merged.dataset):
        raise Invalid("server_evaluation", f"There is no published test split of {merged.dataset}.")
    return merged
