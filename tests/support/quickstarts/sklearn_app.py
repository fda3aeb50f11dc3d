"""The shape of quickstart-sklearn: options from ``run_config``, arrays without names in and out."""

from typing import Any

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from tests.support.quickstarts.problem import accuracy, fit, load_data

app = ClientApp()


@app.train()
def train(msg: Any, context: Any) -> Message:
    """Train the model on local data."""
    assert context.run_config["penalty"] == "l2"
    local_epochs = int(context.run_config["local-epochs"])
    coef, intercept = msg.content["arrays"].to_numpy_ndarrays()
    partition_id, num_partitions = context.node_config["partition-id"], context.node_config["num-partitions"]
    samples, labels = load_data(int(partition_id), int(num_partitions))
    loss = fit(coef, intercept, samples, labels, local_epochs, lr=0.5)
    metrics = MetricRecord({"num-examples": len(labels), "train_loss": loss})
    content = RecordDict({"arrays": ArrayRecord([coef, intercept]), "metrics": metrics})
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg: Any, context: Any) -> Message:
    """Evaluate the model on local data."""
    coef, intercept = msg.content["arrays"].to_numpy_ndarrays()
    partition_id, num_partitions = context.node_config["partition-id"], context.node_config["num-partitions"]
    samples, labels = load_data(int(partition_id), int(num_partitions))
    found = accuracy(coef, intercept, samples, labels)
    content = RecordDict({"metrics": MetricRecord({"num-examples": len(labels), "accuracy": found})})
    return Message(content=content, reply_to=msg)
