"""A Flower app as most of the world has it: a NumPyClient behind a ``client_fn``."""

from typing import Any

import numpy as np
from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp


class Adder(NumPyClient):
    """Adds one to each array."""

    def __init__(self, partition: int) -> None:
        self.partition = partition

    def fit(self, parameters: Any, config: Any) -> Any:
        return [array + np.ones_like(array) for array in parameters], 10, {"partition": self.partition, "note": "text"}

    def evaluate(self, parameters: Any, config: Any) -> Any:
        return float(np.mean(parameters[0])), 4, {"accuracy": 0.25, "round": config["server-round"], "done": True}


def client_fn(context: Context) -> Client:
    options = context.run_config  # as Flower's quickstarts read it
    assert (options["penalty"], options["rate"], options["local-epochs"], options["local_epochs"]) == ("l2", 0.5, 1, 1)
    return Adder(int(context.node_config["partition-id"])).to_client()


app = ClientApp(client_fn=client_fn)
