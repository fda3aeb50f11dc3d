"""The client: adds one number to every array."""

from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
METRICS: dict[str, Any] = {"num-examples": 10, "loss": 1.0, "accuracy": 0.5}


@app.train()
def train(message: Message, _: Context) -> Message:
    """Return the arrays moved by a step."""
    arrays = message.content.array_records["arrays"]
    moved = ArrayRecord({name: Array(array.numpy() + np.float32(0.001)) for name, array in arrays.items()})
    return Message(RecordDict({"arrays": moved, "metrics": MetricRecord(METRICS)}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, _: Context) -> Message:
    """Say how good the model would be."""
    return Message(RecordDict({"metrics": MetricRecord(METRICS)}), reply_to=message)
