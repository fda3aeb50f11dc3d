"""Clients of flwr's deprecated gRPC stream: ``python -m benchmarks.grpc_client ADDRESS COUNT``, a thread for each."""

import logging
import sys
import threading
from typing import Any

import numpy as np
from flwr.client import NumPyClient, start_client

EXAMPLES = 10


class SyntheticClient(NumPyClient):
    """Does what Meadow's synthetic client does: adds one number to every array."""

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:
        """Return the arrays moved by a step."""
        metrics = {"loss": 1.0, "accuracy": 0.5}
        return [array + np.float32(0.001) for array in parameters], EXAMPLES, metrics

    def evaluate(self, parameters: list[Any], config: dict[str, Any]) -> tuple[float, int, dict[str, Any]]:
        """Say how good the model would be."""
        return 1.0, EXAMPLES, {"loss": 1.0, "accuracy": 0.5}


def _serve(address: str) -> None:
    start_client(server_address=address, client=SyntheticClient().to_client(), insecure=True)


if __name__ == "__main__":
    logging.getLogger("flwr").setLevel(logging.ERROR)
    threads = [threading.Thread(target=_serve, args=(sys.argv[1],)) for _ in range(int(sys.argv[2]))]
    for thread in threads:
        thread.start()
