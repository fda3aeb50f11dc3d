"""The loop of the app at the server, where it runs as a whole Flower App: federated averaging."""

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from my_app import task

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train for as many rounds as the configuration says, and save the last weights."""
    strategy = FedAvg(min_train_nodes=2, min_evaluate_nodes=2, min_available_nodes=2)
    rounds = int(context.run_config["num-server-rounds"])
    result = strategy.start(grid=grid, initial_arrays=ArrayRecord(task.first_weights()), num_rounds=rounds)
    np.savez("model.npz", *result.arrays.to_numpy_ndarrays())
