import numpy as np
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from skdigits.task import get_weights, load_data, make_model, measure, set_weights

app = ServerApp()


def central(server_round: int, arrays: ArrayRecord) -> MetricRecord:
    model = make_model("l2", 1)
    set_weights(model, arrays.to_numpy_ndarrays())
    _, _, images, labels = load_data(0, 1)
    loss, accuracy = measure(model, images, labels)
    return MetricRecord({"loss": float(loss), "accuracy": float(accuracy)})


@app.main()
def main(grid: Grid, context: Context) -> None:
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=1.0, min_available_nodes=2)
    result = strategy.start(
        grid=grid, initial_arrays=ArrayRecord(get_weights(make_model("l2", 1))), evaluate_fn=central,
        num_rounds=int(context.run_config["num-server-rounds"]),
    )  # fmt: skip
    print("\nSaving final model to disk...")
    np.savez("final_model.npz", *result.arrays.to_numpy_ndarrays())
