"""The Flower ClientApp that a stock SuperNode runs for Meadow. Each message starts a process of it.

A task comes as its frame's text with the weights beside it, and the reply goes back as an offer with weights: what the
stream lane sends over a socket travels in Flower's messages, and is run and checked by the same code.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federation.client.description import facts, versions
from federation.client.outbox import ClientTask
from federation.client.tasks.executor import Executor
from federation.client.tasks.failures import error_sentence
from federation.client.tasks.own_data import BadNodeConfig, own_work_of
from federation.client.tasks.run_states import NodeStates
from federation.learning.client_app import Work, build_work
from federation.protocol.messages import Task, decode_server, encode
from federation.run.networks import Dataset
from federation.weights.flower_content import arrays_of, content_of, flower_arrays, text_of
from federation.weights.layout import Layout

DESCRIBE = "describe"
"""The text of a message that asks what the SuperNode holds."""

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Describe the SuperNode, or prepare for a run."""
    if text_of(message.content) == DESCRIBE:
        return Message(content_of(json.dumps(_description(context.node_config))), reply_to=message)
    return _answer(message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train."""
    return _answer(message, context)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Evaluate."""
    return _answer(message, context)


def _description(node_config: Mapping[str, Any]) -> dict[str, object]:
    """Return what a hello says: data, versions, facts; or in ``error`` why the SuperNode cannot take part."""
    try:
        data = _work(node_config).data
    except (ValueError, OSError) as error:
        return {"error": error_sentence(error, [])}
    return {"data": {**data, "runs_apps": True}, "versions": versions(), "facts": facts()}


def _answer(message: Message, context: Context) -> Message:
    task = decode_server(text_of(message.content))
    if not isinstance(task, Task):
        raise TypeError(f"a {task.type} frame is no task")
    weights = None
    if task.content is not None:
        layout = Layout.from_json(task.content.layout)
        weights = layout.pack(arrays_of(message.content, [entry.name for entry in layout.entries]))
    executor = Executor(_work(context.node_config), context.node_config, states=NodeStates(context.state))
    reply = executor.run(ClientTask(task, weights), context.node_id, lambda *_: None)
    if reply is None:
        raise RuntimeError("the task was cancelled")
    arrays = None
    if reply.offer.content is not None and reply.content is not None:
        layout = Layout.from_json(reply.offer.content.layout)
        names = [entry.name for entry in layout.entries]
        arrays = flower_arrays(zip(names, layout.unpack(reply.content), strict=True))
    return Message(content_of(encode(reply.offer), arrays), reply_to=message)


def _work(node_config: Mapping[str, Any]) -> Work:
    """Return the work for the data that the node config names; raises BadNodeConfig, ValueError or OSError."""
    dataset = node_config.get("dataset", "digits")
    if dataset not in get_args(Dataset):
        raise BadNodeConfig(f"node config: dataset {dataset!r} is none of {', '.join(get_args(Dataset))}")
    numbers = {name: node_config.get(name, default) for name, default in (("partition-id", 0), ("num-partitions", 2))}
    if bad := [name for name, value in numbers.items() if type(value) is not int or value < 0]:
        raise BadNodeConfig(f"node config: {bad[0]} must be a whole number from 0 on")
    if "data" in node_config:
        return own_work_of(node_config, numbers["partition-id"])
    path = node_config.get("data-path")
    return build_work(
        dataset, numbers["partition-id"], numbers["num-partitions"],
        path=Path(str(path)).expanduser() if path is not None else None,
        share_labels=node_config.get("share-labels") is True,
    )  # fmt: skip
