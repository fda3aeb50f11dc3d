"""What Flower has no public way to ask an app, and replies of apps with a ``client_fn`` in the form of the others."""

from typing import Any

from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.run.metric_names import is_number
from federation.weights.legacy_content import FunctionMissing, legacy_answer


def check_function(app: ClientApp, phase: str) -> None:
    """Raise FunctionMissing if no function is registered for the phase; a ``client_fn`` says so in its reply."""
    if not is_legacy(app) and f"{phase}.default" not in app._registered_funcs:
        raise FunctionMissing(phase)


def is_legacy(app: ClientApp) -> bool:
    """Return whether the app was made of a ``client_fn``."""
    return getattr(app, "_call", None) is not None


def content_of_reply(phase: str, names: list[str], reply: Message) -> tuple[RecordDict, dict[str, Any]]:
    """Return a reply's content as that of ``@app.train`` and ``@app.evaluate``, and its metrics as they came.

    A metric that is no number, a truth value or a text for example, stands in no ``MetricRecord``. Raises as
    ``legacy_answer`` does.
    """
    metrics, examples, arrays = legacy_answer(phase, names, reply.content)
    numbers: dict[str, Any] = {key: value for key, value in metrics.items() if is_number(value)}
    content = RecordDict({"metrics": MetricRecord(numbers | {"num-examples": int(examples)})})
    if arrays is not None:
        content["arrays"] = arrays
    return content, metrics
