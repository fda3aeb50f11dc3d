from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg

from numpyclient.task import initial_weights, load_data, test


def weighted_average(metrics):
    total = sum(examples for examples, _ in metrics)
    names = {name for _, one in metrics for name, value in one.items() if isinstance(value, float)}
    return {name: sum(examples * one[name] for examples, one in metrics) / total for name in names}


def central(server_round, parameters, config):
    loss, accuracy = test(parameters, *load_data(0, 1))
    return loss, {"accuracy": accuracy}


def server_fn(context: Context):
    strategy = FedAvg(
        fraction_fit=1.0, fraction_evaluate=1.0, min_available_clients=2, evaluate_fn=central,
        fit_metrics_aggregation_fn=weighted_average, evaluate_metrics_aggregation_fn=weighted_average,
        on_fit_config_fn=lambda server_round: {"learning-rate": context.run_config["learning-rate"]},
        initial_parameters=ndarrays_to_parameters(initial_weights()),
    )  # fmt: skip
    config = ServerConfig(num_rounds=context.run_config["num-server-rounds"])
    return ServerAppComponents(strategy=strategy, config=config)


app = ServerApp(server_fn=server_fn)
