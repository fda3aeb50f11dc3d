"""Ask a client's ClientApp for work without a connection, and average the replies by Flower's own FedAvg."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp.strategy import FedAvg

from federation.learning.client_app import Work, build_work
from federation.learning.keras_backend import load_keras
from federation.learning.networks.building import build, layout_of
from federation.learning.spec import spec_of
from federation.progress import TaskCancelled
from federation.run.config import RunConfig
from federation.run.networks import NetworkSettings
from federation.server.flower import identify_process


@cache
def digits(partition: int = 0, partitions: int = 2, share_labels: bool = False) -> Work:
    """One part of the digits, read once."""
    return build_work("digits", partition, partitions, share_labels=share_labels)


def settings(server_round: int = 1, **run: Any) -> dict[str, Any]:
    """A task's config, as a client passes it on: a run's without what is None, and the round."""
    config = RunConfig(**{"seed": 7} | run)
    told = config.model_dump(exclude_none=True, exclude={"clients", "name", "strategy_options", "app_config"})
    return told | {"server-round": server_round}


def ask(work: Work, phase: str, arrays: ArrayRecord, config: dict[str, Any]) -> Message:
    """Have the app train or evaluate and return its reply."""
    identify_process(1)
    content = RecordDict({"arrays": arrays, "config": ConfigRecord(config)})
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    return work.app(Message(content, dst_node_id=2, message_type=phase), context)


def metrics(reply: Message) -> dict[str, Any]:
    return dict(reply.content.metric_records["metrics"])


def arrays(reply: Message) -> ArrayRecord:
    return reply.content.array_records["arrays"]


def first_weights(config: dict[str, Any]) -> ArrayRecord:
    """The weights that a run begins with, by the names that its layout gives them."""
    load_keras().utils.set_random_seed(config["seed"])
    model = build(config["network"], spec_of(config), NetworkSettings.of(config))
    named = zip(layout_of(model).entries, model.get_weights(), strict=True)
    return ArrayRecord({entry.name: Array(weights) for entry, weights in named})


def run_rounds(works: Sequence[Work], rounds: int, **run: Any) -> tuple[ArrayRecord, list[float]]:
    """Run a federation; return the last weights and the mean evaluate accuracy of every round."""
    weights, accuracies, strategy = first_weights(settings(**run)), [], FedAvg()
    for number in range(1, rounds + 1):
        config = settings(number, **run)
        trained, _ = strategy.aggregate_train(number, [ask(work, "train", weights, config) for work in works])
        assert trained is not None
        weights = trained
        means = strategy.aggregate_evaluate(number, [ask(work, "evaluate", weights, config) for work in works])
        assert means is not None
        accuracies.append(float(str(means["accuracy"])))
    return weights, accuracies


class Progress:
    """Remembers what is reported; cancels the task after so many batches."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.batches: list[tuple[int, int | None]] = []
        self.losses: list[float | None] = []
        self.cancel_after = cancel_after

    def __call__(self, batch: int, batches: int | None, loss: float | None) -> None:
        self.batches.append((batch, batches))
        self.losses.append(loss)
        if batch == self.cancel_after:
            raise TaskCancelled
