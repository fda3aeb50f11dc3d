"""A server of flwr's deprecated gRPC stream: ``python -m benchmarks.grpc_server PORT CLIENTS``.

A line ``{"parameters": n, "rounds": n}`` on stdin works so many rounds; the answer holds their times. The loop is
flwr's own ``Server.fit`` with FedAvg; nothing is recorded.
"""

import json
import logging
import sys
import time
from itertools import pairwise
from typing import Any

import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import Server, SimpleClientManager
from flwr.server.strategy import FedAvg
from flwr.server.superlink.fleet.grpc_bidi.grpc_server import start_grpc_server

MAX_MESSAGE_BYTES = 512 * 1024 * 1024


def average(replies: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Average metrics weighted by examples, as Meadow does."""
    total = sum(examples for examples, _ in replies)
    return {name: sum(n * metrics[name] for n, metrics in replies) / total for name in replies[0][1]}


class TimedFedAvg(FedAvg):
    """FedAvg that notes when each round is over."""

    ends: list[float]

    def aggregate_evaluate(self, *arguments: Any, **more: Any) -> Any:
        """Aggregate the evaluations: the last step of a round."""
        result = super().aggregate_evaluate(*arguments, **more)
        self.ends.append(time.monotonic())
        return result


def work(manager: SimpleClientManager, clients: int, parameters: int, rounds: int) -> dict[str, Any]:
    """Work so many rounds after one that warms up."""
    strategy = TimedFedAvg(
        min_fit_clients=clients, min_evaluate_clients=clients, min_available_clients=clients,
        initial_parameters=ndarrays_to_parameters([np.zeros(parameters, np.float32)]),
        fit_metrics_aggregation_fn=average, evaluate_metrics_aggregation_fn=average, accept_failures=False,
    )  # fmt: skip
    strategy.ends = []
    before = time.process_time()
    Server(client_manager=manager, strategy=strategy).fit(rounds + 1, timeout=None)
    cpu_ms = (time.process_time() - before) / (rounds + 1) * 1000
    ends = strategy.ends
    return {"rounds_ms": [(b - a) * 1000 for a, b in pairwise(ends)], "cpu_ms": cpu_ms}


def main(port: str, clients: int) -> None:
    """Serve until stdin ends."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    manager = SimpleClientManager()
    server = start_grpc_server(
        client_manager=manager, server_address=f"127.0.0.1:{port}", max_message_length=MAX_MESSAGE_BYTES
    )
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer: dict[str, Any] = {"there": manager.wait_for(clients, question["wait"])}
        else:
            answer = work(manager, clients, question["parameters"], question["rounds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    server.stop(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
