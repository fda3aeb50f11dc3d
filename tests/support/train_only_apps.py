"""Flower apps that train and do not evaluate: with ``@app.train``, and made of a ``client_fn``."""

from typing import Any

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp

train_only = ClientApp()


@train_only.train()
def train(message: Message, context: Context) -> Message:
    """Return the weights as they came."""
    metrics = MetricRecord({"num-examples": 3, "loss": 0.5})
    return Message(RecordDict({"arrays": message.content["arrays"], "metrics": metrics}), reply_to=message)


class Trainer(NumPyClient):
    """Has no ``evaluate``."""

    def fit(self, parameters: Any, config: Any) -> Any:
        return parameters, 3, {}


def client_fn(context: Context) -> Client:
    return Trainer().to_client()


legacy_train_only = ClientApp(client_fn=client_fn)
