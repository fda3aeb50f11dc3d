"""What a client does when asked, as a Flower ClientApp: train and evaluate a network on its own part of a data set.

Connections, retries and keys are left to the client process, ``synthetic`` work to its own module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation import datasets, synthetic
from federation.config import Dataset
from federation.trainer import Trainer, trainer_for


@dataclass(frozen=True)
class Work:
    """What a client process serves.

    ``prepare`` takes a run's config and answers with what the server compares: layout, samples, image shape, classes.
    ``data`` is what the client says about its data when it connects.
    """

    app: ClientApp
    prepare: Callable[[dict[str, Any]], dict[str, Any]]
    data: dict[str, Any]


def build_work(
    dataset: Dataset, partition: int, partitions: int, *, path: Path | None = None, share_labels: bool = False
) -> Work:
    """Find the data and return the work of the client that holds part ``partition`` of ``partitions``.

    Raises
    ------
    DataNotFound
        Where there is no usable copy of the data set.
    ValueError
        Where there is no such part.
    """
    if not 0 <= partition < partitions:
        raise ValueError(f"There is no partition {partition} of {partitions}: they count from 0 to {partitions - 1}.")
    said: dict[str, Any] = {"dataset": dataset, "partition": partition, "partitions": partitions}
    if dataset == "synthetic":
        return Work(synthetic.make_app(partition), synthetic.prepare, said | {"samples": None, "source": "synthetic"})
    data = datasets.load(dataset, path)
    learner = _Learner(data, partition, partitions, share_labels)
    app = ClientApp()
    app.train()(learner.train)
    app.evaluate()(learner.evaluate)
    about = {"samples": data.part_size(partition, partitions), "source": data.source}
    return Work(app, learner.prepare, said | about)


class _Learner:
    """Answers tasks with one part of one data set."""

    def __init__(self, data: datasets.Data, partition: int, partitions: int, share_labels: bool) -> None:
        self._data = data
        self._partition = partition
        self._share_labels = share_labels
        self._cut = lru_cache(maxsize=1)(
            lambda partitioner, alpha, seed: data.part(
                partition, partitions, partitioner=partitioner, alpha=alpha, seed=seed
            )
        )

    def prepare(self, config: dict[str, Any]) -> dict[str, Any]:
        """Build the network and cut the data; label counts are those of the training samples, (classes,)."""
        part, trainer = self._part(config), self._trainer(config)
        counts = np.bincount(part.train.labels, minlength=datasets.CLASSES).tolist()
        return {
            "layout": trainer.layout.to_json(),
            "samples": {"train": len(part.train), "test": len(part.test)},
            "input_shape": list(datasets.SHAPES[self._data.name]),
            "classes": datasets.CLASSES,
            "label_counts": counts if self._share_labels else None,
        }

    def train(self, message: Message, _: Context) -> Message:
        """Train from the message's weights; the reply holds the new ones, and loss and accuracy of the last epoch."""
        config = _config(message)
        samples, trainer = self._part(config).train, self._trainer(config)
        trainer.load(message.content.array_records["arrays"])
        rng = np.random.default_rng((config["seed"], config.get("server-round", 0), self._partition))
        metrics = trainer.fit(samples, config, rng) | {"num-examples": len(samples)}
        if config.get("strategy") == "QFedAvg":  # Flower's class reads the loss under this name
            metrics["train_loss"] = metrics["loss"]
        return Message(RecordDict({"arrays": trainer.arrays(), "metrics": MetricRecord(metrics)}), reply_to=message)

    def evaluate(self, message: Message, _: Context) -> Message:
        """Answer with loss and accuracy of the message's weights on the part's test samples."""
        config = _config(message)
        samples, trainer = self._part(config).test, self._trainer(config)
        trainer.load(message.content.array_records["arrays"])
        metrics = trainer.evaluate(samples) | {"num-examples": len(samples)}
        return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)

    def _part(self, config: dict[str, Any]) -> datasets.Part:
        if (wanted := config.get("dataset", self._data.name)) != self._data.name:
            raise ValueError(f"holds {self._data.name}, the run needs {wanted}")
        return self._cut(config["partitioner"], config["dirichlet_alpha"], config["seed"])

    def _trainer(self, config: dict[str, Any]) -> Trainer:
        return trainer_for(config["network"], datasets.SHAPES[self._data.name], config["loss"], config["optimizer"])


def _config(message: Message) -> dict[str, Any]:
    return dict(message.content.config_records["config"])
