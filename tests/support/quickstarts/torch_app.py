"""The shape of quickstart-pytorch: a state dict with names, the learning rate from the message's config."""

from typing import Any

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from tests.support.quickstarts.problem import accuracy, fit, load_data

app = ClientApp()


class Net:
    """A model with the two methods of ``torch.nn.Module`` that the quickstart calls."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight, self.bias = state["fc.weight"], state["fc.bias"]

    def state_dict(self) -> dict[str, Any]:
        return {"fc.weight": self.weight, "fc.bias": self.bias}


def model_and_data(msg: Any, context: Any) -> tuple[Net, Any, Any]:
    """Return the model with the message's weights, and the samples and labels of this node."""
    model = Net()
    model.load_state_dict({name: array.numpy() for name, array in msg.content["arrays"].items()})
    node = context.node_config
    return model, *load_data(int(node["partition-id"]), int(node["num-partitions"]))


@app.train()
def train(msg: Any, context: Any) -> Message:
    """Train the model on local data."""
    model, samples, labels = model_and_data(msg, context)
    local_epochs, lr = context.run_config["local-epochs"], msg.content["config"]["lr"]
    train_loss = fit(model.weight, model.bias, samples, labels, int(local_epochs), float(lr))
    model_record = ArrayRecord({name: Array(values) for name, values in model.state_dict().items()})
    metric_record = MetricRecord({"train_loss": train_loss, "num-examples": len(labels)})
    return Message(content=RecordDict({"arrays": model_record, "metrics": metric_record}), reply_to=msg)


@app.evaluate()
def evaluate(msg: Any, context: Any) -> Message:
    """Evaluate the model on local data."""
    assert context.node_config["site"] == "north ward"
    model, samples, labels = model_and_data(msg, context)
    metric_record = MetricRecord({
        "eval_acc": accuracy(model.weight, model.bias, samples, labels), "num-examples": len(labels)
    })  # fmt: skip
    return Message(content=RecordDict({"metrics": metric_record}), reply_to=msg)
