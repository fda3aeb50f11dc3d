from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from kerastable.task import load_data, load_model

app = ClientApp()


def prepared(msg: Message, context: Context):
    model = load_model()
    model.set_weights(msg.content["arrays"].to_numpy_ndarrays())
    return model, load_data(context.node_config["partition-id"], context.node_config["num-partitions"])


@app.train()
def train(msg: Message, context: Context):
    model, (x_train, y_train, _, _) = prepared(msg, context)
    history = model.fit(
        x_train, y_train, epochs=context.run_config["local-epochs"], batch_size=context.run_config["batch-size"],
        verbose=0,
    )  # fmt: skip
    metrics = {
        "num-examples": len(x_train), "train_loss": history.history["loss"][-1],
        "train_acc": history.history["accuracy"][-1],
    }  # fmt: skip
    content = RecordDict({"arrays": ArrayRecord(model.get_weights()), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg: Message, context: Context):
    model, (_, _, x_test, y_test) = prepared(msg, context)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    metrics = {"eval_loss": loss, "eval_acc": accuracy, "num-examples": len(x_test)}
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=msg)
