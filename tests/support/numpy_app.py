"""A Flower ClientApp that a test controls by its configuration: it adds one to the weights, waits, or fails."""

import asyncio
import sys
import threading
import time

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.progress import report_progress

app = ClientApp()


class Panic(BaseException):
    """As native libraries raise it."""


class Mute(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise SystemExit(9)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Add one to each array, after ``batches`` batches of ``batch_seconds`` each."""
    config = message.content.config_records["config"]
    if error := config.get("error"):
        raise ValueError(str(error))
    if raised := config.get("raises"):
        raise {"CancelledError": asyncio.CancelledError, "Panic": Panic, "Mute": Mute}[str(raised)]("far \ud800")
    if config.get("close_streams"):
        sys.stdout.close()
        sys.stderr.close()
    if config.get("stuck"):
        time.sleep(3600)
    batches = int(config.get("batches", 1))  # type: ignore[arg-type]
    for batch in range(batches):
        threading.Event().wait(float(config.get("batch_seconds", 0)))  # type: ignore[arg-type]
        report_progress(batch + 1, batches, 1 / (batch + 1))
    arrays = [array + 1 for array in message.content.array_records["arrays"].to_numpy_ndarrays()]
    content = ArrayRecord(dict(zip(message.content["arrays"], ArrayRecord(arrays).values(), strict=True)))
    calls = int(context.state.metric_records.setdefault("calls", MetricRecord({"n": 0}))["n"]) + 1  # type: ignore[arg-type]
    context.state.metric_records["calls"]["n"] = calls
    metrics = MetricRecord(
        {"num-examples": 10, "loss": 0.5, "calls": calls, "node": int(context.node_config["partition-id"])}
    )
    return Message(RecordDict({"arrays": content, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Report the sum of the first array as the loss."""
    first = message.content.array_records["arrays"].to_numpy_ndarrays()[0]
    metrics = MetricRecord({"num-examples": 4, "loss": float(first.sum()), "accuracy": 0.25})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
