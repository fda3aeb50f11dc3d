"""The contents of messages to apps made of a ``client_fn`` (``NumPyClient``), whose records have names of their own."""

from collections.abc import Sequence
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from federation.weights.records import record_of, values_of

INSTRUCTIONS = {"train": "fitins", "evaluate": "evaluateins"}
ANSWERS = {"train": "fitres", "evaluate": "evaluateres"}
NOT_IMPLEMENTED = {"train": 3, "evaluate": 4}
"""The status by which a client says that it has no method for a phase; 0 is success."""
NO_ARRAY = "_empty"
"""Stands in a record without arrays."""


class FunctionMissing(Exception):
    """The app has no function for the phase of a task."""

    def __init__(self, phase: str) -> None:
        super().__init__(f"the app has no {phase} function")


def legacy_content(phase: str, content: RecordDict) -> RecordDict:
    """Return a task's content under the names of a ``client_fn``'s messages; a config there holds no lists."""
    name = INSTRUCTIONS[phase]
    config: dict[str, Any] = {
        key: value for key, value in content.config_records["config"].items() if not isinstance(value, list)
    }
    arrays = content.array_records.get("arrays", ArrayRecord())
    return RecordDict({f"{name}.parameters": arrays, f"{name}.config": ConfigRecord(config)})


def legacy_answer(
    phase: str, names: Sequence[str], content: RecordDict
) -> tuple[dict[str, Any], Any, ArrayRecord | None]:
    """Return metrics, number of examples and arrays of a reply. Its metrics may be texts and truth values as well.

    The arrays have no names in such a reply: they are those of the task, in their order.

    Raises
    ------
    ValueError
        If the app says that it failed, or returns another number of arrays; if the reply has another form.
    FunctionMissing
        If the client has no method for the phase.
    """
    name = ANSWERS[phase]
    try:
        status = content.config_records[f"{name}.status"]
        if status["code"] == NOT_IMPLEMENTED[phase]:
            raise FunctionMissing(phase)
        if status["code"]:
            raise ValueError(status["message"] or f"the app answers with status {status['code']!r}")
        metrics: dict[str, Any] = dict(content.config_records[f"{name}.metrics"])
        examples = content.metric_records[f"{name}.num_examples"]["num_examples"]
        if phase == "evaluate":
            return {"loss": content.metric_records[f"{name}.loss"]["loss"]} | metrics, examples, None
        record = content.array_records[f"{name}.parameters"]
    except KeyError as error:
        raise ValueError(f"the reply has no {error.args[0]}") from error
    arrays = [values_of(array) for key, array in record.items() if key != NO_ARRAY]
    if len(arrays) != len(names):
        raise ValueError(f"fit returned {len(arrays):,} arrays, the run needs {len(names):,}")
    return metrics, examples, record_of(zip(names, arrays, strict=True))
