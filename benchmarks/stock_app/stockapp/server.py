"""The server: Flower's FedAvg, and a file with the times of its rounds."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class TimedFedAvg(FedAvg):
    """FedAvg that notes when each round is over."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ends = [time.monotonic()]

    def aggregate_evaluate(self, *arguments: Any, **more: Any) -> Any:
        """Aggregate the evaluations: the last step of a round."""
        result = super().aggregate_evaluate(*arguments, **more)
        self.ends.append(time.monotonic())
        return result


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Work the rounds of the run's configuration."""
    config = context.run_config
    clients, rounds = int(config["clients"]), int(config["rounds"])
    strategy = TimedFedAvg(min_train_nodes=clients, min_evaluate_nodes=clients, min_available_nodes=clients)
    arrays = ArrayRecord([np.zeros(int(config["parameters"]), np.float32)])
    strategy.ends = [time.monotonic()]
    strategy.start(grid=grid, initial_arrays=arrays, num_rounds=rounds)
    ends = strategy.ends
    written = Path(str(config["result"])).with_suffix(".writing")
    written.write_text(json.dumps([(b - a) * 1000 for a, b in pairwise(ends)]))
    written.rename(str(config["result"]))
