"""The shape of the quickstarts before Flower's message API: a NumPyClient behind a client_fn."""

from flwr.client import ClientApp, NumPyClient
from flwr.common import Context

from numpyclient.task import load_data, test, train


class FlowerClient(NumPyClient):
    def __init__(self, samples, labels, epochs):
        self.samples, self.labels, self.epochs = samples, labels, epochs

    def fit(self, parameters, config):
        weights = train(parameters, self.samples, self.labels, self.epochs, config["learning-rate"])
        loss, _ = test(weights, self.samples, self.labels)
        return weights, len(self.labels), {"train_loss": loss, "device": "cpu"}

    def evaluate(self, parameters, config):
        loss, accuracy = test(parameters, self.samples, self.labels)
        return loss, len(self.labels), {"accuracy": accuracy}


def client_fn(context: Context):
    partition_id, num_partitions = context.node_config["partition-id"], context.node_config["num-partitions"]
    return FlowerClient(*load_data(partition_id, num_partitions), context.run_config["local-epochs"]).to_client()


app = ClientApp(client_fn=client_fn)
