import time
from pathlib import Path

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    return Message(RecordDict({"answer": MetricRecord({"samples": 10})}), reply_to=message)


@app.train("warmup")
def warm_up(message: Message, context: Context) -> Message:
    return Message(RecordDict({
        "a": MetricRecord({"loss": 4.0}), "b": MetricRecord({"loss": float("nan")}),
        "c": MetricRecord({"norms": [1.0, 2.0]}),
    }), reply_to=message)  # fmt: skip


@app.train()
def train(message: Message, context: Context) -> Message:
    step = message.content["config"]["step"]
    if (file := Path(context.run_config["hangs-once"])).name and not file.exists():
        file.touch()
        time.sleep(600)
    if step == 2 and context.node_config["partition-id"] == 1:
        raise ValueError("deliberate")
    return Message(RecordDict({"metrics": MetricRecord({"loss": 1.0 / step, "num-examples": 5})}), reply_to=message)
