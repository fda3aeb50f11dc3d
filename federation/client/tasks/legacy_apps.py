"""What Flower has no public way to ask an app, and apps made of a ``client_fn``, whose records have other names.

Flower itself converts them to and from ``FitIns``, ``FitRes`` and so on; here the records get the names it expects.
"""

from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.run.metric_names import is_number

INSTRUCTIONS = {"train": "fitins", "evaluate": "evaluateins"}


class FunctionMissing(Exception):
    """The app has no function for the phase of a task."""

    def __init__(self, phase: str) -> None:
        super().__init__(f"the app has no {phase} function")


def check_function(app: ClientApp, phase: str) -> None:
    """Raise FunctionMissing if no function is registered for the phase; a ``client_fn`` says so in its reply."""
    if not is_legacy(app) and f"{phase}.default" not in app._registered_funcs:
        raise FunctionMissing(phase)


def is_legacy(app: ClientApp) -> bool:
    """Return whether the app was made of a ``client_fn``."""
    return getattr(app, "_call", None) is not None


def legacy_content(phase: str, content: RecordDict) -> RecordDict:
    """Return a task's content under the names of a ``client_fn``'s messages; a config there holds no lists."""
    name = INSTRUCTIONS[phase]
    config: dict[str, Any] = {
        key: value for key, value in content.config_records["config"].items() if not isinstance(value, list)
    }
    arrays = content.array_records.get("arrays", ArrayRecord())
    return RecordDict({f"{name}.parameters": arrays, f"{name}.config": ConfigRecord(config)})


def content_of_reply(phase: str, names: list[str], reply: Message) -> tuple[RecordDict, dict[str, Any]]:
    """Return a reply's content as that of ``@app.train`` and ``@app.evaluate``, and its metrics as they came.

    The arrays have no names in such a reply: they are those of the task, in their order. A metric that is no number, a
    truth value or a text for example, stands in no ``MetricRecord``.

    Raises
    ------
    ValueError
        If the app says that it failed, or returns another number of arrays.
    FunctionMissing
        If the client has no method for the phase.
    """
    # They import much of flwr, which other apps do not need: a SuperNode imports all anew for each message.
    from federation.flwr_internals import Code, parameters_to_ndarrays, recorddict_to_evaluateres, recorddict_to_fitres

    result: Any = (recorddict_to_fitres(reply.content, keep_input=True) if phase == "train"
                   else recorddict_to_evaluateres(reply.content))  # fmt: skip
    if result.status.code in (Code.FIT_NOT_IMPLEMENTED, Code.EVALUATE_NOT_IMPLEMENTED):
        raise FunctionMissing(phase)
    if result.status.code.value:
        raise ValueError(result.status.message or f"the app answers with {result.status.code.name}")
    metrics: dict[str, Any] = {key: value for key, value in result.metrics.items() if is_number(value)}
    content = RecordDict()
    if phase == "train":
        arrays = parameters_to_ndarrays(result.parameters)
        if len(arrays) != len(names):
            raise ValueError(f"fit returned {len(arrays):,} arrays, the run needs {len(names):,}")
        content["arrays"] = ArrayRecord(dict(zip(names, ArrayRecord(arrays).values(), strict=True)))
    else:
        metrics = {"loss": float(result.loss)} | metrics
    content["metrics"] = MetricRecord(metrics | {"num-examples": int(result.num_examples)})
    return content, dict(result.metrics)
