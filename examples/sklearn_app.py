"""A ClientApp of one's own: scikit-learn's logistic regression on half of the digits, no TensorFlow.

python examples/sklearn_app.py weights.npz       # what every client starts from; upload it, see docs/own-model.md
python -m federation.client --app examples.sklearn_app:app --partition 0 --partitions 2 --name left
"""

import sys

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

app = ClientApp()


def part_of(context: Context):
    """Return train and test samples of this client's part, each as images (n, 64) in 0..1 and labels (n,)."""
    data, part, parts = load_digits(), context.node_config["partition-id"], context.node_config["num-partitions"]
    images, labels = data.data[part::parts] / 16, data.target[part::parts]
    return (images[50:], labels[50:]), (images[:50], labels[:50])


def model_of(message: Message) -> SGDClassifier:
    """Return a classifier with the weights of the message; the round is the seed of its shuffling."""
    seed = message.content["config"]["server-round"]
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, random_state=seed)
    model.classes_ = np.arange(10)
    model.coef_, model.intercept_ = (array.numpy().copy() for array in message.content["arrays"].values())
    return model


def metrics_of(model: SGDClassifier, images, labels) -> MetricRecord:
    """Return loss and accuracy; their mean over clients is weighted by num-examples."""
    probabilities = model.predict_proba(images)
    right = float(np.mean(probabilities.argmax(axis=1) == labels))
    loss = float(log_loss(labels, probabilities, labels=model.classes_))
    return MetricRecord({"loss": loss, "accuracy": right, "num-examples": len(labels)})


@app.train()
def train(message: Message, context: Context) -> Message:
    """Take one pass over the part."""
    model, ((images, labels), _) = model_of(message), part_of(context)
    model.partial_fit(images, labels, classes=model.classes_)
    arrays = ArrayRecord({"coef": Array(model.coef_), "intercept": Array(model.intercept_)})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics_of(model, images, labels)}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Measure on the samples that were held back."""
    return Message(RecordDict({"metrics": metrics_of(model_of(message), *part_of(context)[1])}), reply_to=message)


if __name__ == "__main__":
    np.savez(sys.argv[1], coef=np.zeros((10, 64)), intercept=np.zeros(10))
