import warnings

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from skdigits.task import get_weights, load_data, make_model, measure, set_weights

app = ClientApp()


def prepared(message: Message, context: Context):
    model = make_model(str(context.run_config["penalty"]), int(context.run_config["local-epochs"]))
    set_weights(model, message.content["arrays"].to_numpy_ndarrays())
    return model, load_data(int(context.node_config["partition-id"]), int(context.node_config["num-partitions"]))


@app.train()
def train(message: Message, context: Context) -> Message:
    model, (images, labels, _, _) = prepared(message, context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(images, labels)
    loss, _ = measure(model, images, labels)
    metrics = MetricRecord({"num-examples": len(labels), "train_logloss": float(loss)})
    return Message(RecordDict({"arrays": ArrayRecord(get_weights(model)), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    model, (_, _, images, labels) = prepared(message, context)
    loss, accuracy = measure(model, images, labels)
    metrics = MetricRecord({"num-examples": len(labels), "loss": float(loss), "accuracy": float(accuracy)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
