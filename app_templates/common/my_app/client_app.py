"""What a client does in a round. The data, the model and its training are in task.py."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from my_app import task

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the weights that came, and send the new ones with the metrics."""
    train_set, _ = task.load_data(context.node_config)
    weights, metrics = task.train(message.content["arrays"].to_numpy_ndarrays(), train_set, context.run_config)
    content = {"arrays": ArrayRecord(weights), "metrics": metrics_of(metrics, train_set)}
    return Message(RecordDict(content), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Measure the weights that came on the samples that are held out."""
    _, test_set = task.load_data(context.node_config)
    metrics = task.evaluate(message.content["arrays"].to_numpy_ndarrays(), test_set)
    return Message(RecordDict({"metrics": metrics_of(metrics, test_set)}), reply_to=message)


def metrics_of(metrics: dict[str, float], samples: task.Samples) -> MetricRecord:
    """Return metrics with the number of samples, by which means over clients are weighted."""
    return MetricRecord({**metrics, "num-examples": len(samples.y)})
