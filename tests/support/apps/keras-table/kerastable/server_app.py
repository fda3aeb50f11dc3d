from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from kerastable.task import load_model

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    model = load_model()
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=1.0, min_available_nodes=2)
    result = strategy.start(
        grid=grid, initial_arrays=ArrayRecord(model.get_weights()), num_rounds=context.run_config["num-server-rounds"]
    )
    print("\nSaving final model to disk as final_model.keras...")
    model.set_weights(result.arrays.to_numpy_ndarrays())
    model.save("final_model.keras")
