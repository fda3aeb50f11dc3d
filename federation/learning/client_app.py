"""What a client does when asked, as a Flower ClientApp: train and evaluate a network on its own part of a data set.

Connections, retries and keys are left to the client process, ``synthetic`` work to its own module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation.learning.data import datasets
from federation.learning.networks import load_keras
from federation.learning.synthetic import SyntheticLearner
from federation.learning.trainer import Trainer, trainer_for
from federation.run.config import Dataset

Config = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a client process serves.

    ``prepare`` takes a run's config and answers with what the server compares: layout, samples, image shape, classes.
    ``data`` is what the client says about its data when it connects. ``warm`` brings in what is slow to import, before
    the first task needs it.
    """

    app: ClientApp
    prepare: Callable[[Config], Config]
    data: dict[str, Any]
    warm: Callable[[], object] = lambda: None


class Learner(Protocol):
    """Answers the three kinds of tasks; ``weights`` are in the order of the layout that ``prepare`` named."""

    def prepare(self, config: Config) -> Config:
        """Return what the server compares before round 0."""

    def train(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Return ``arrays`` and ``metrics``."""

    def evaluate(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Return ``metrics``."""


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
    synthetic = SyntheticLearner(partition, holds_data=dataset != "synthetic")
    if dataset == "synthetic":
        return _work(lambda _: synthetic, lambda: None, said | {"samples": None, "source": "synthetic"})
    data = datasets.load(dataset, path)
    keras = KerasLearner(data, partition, partitions, share_labels)
    said |= {"samples": data.part_size(partition, partitions), "source": data.source}
    return _work(lambda config: synthetic if config["network"] == "synthetic" else keras, load_keras, said)


def _work(choose: Callable[[Config], Learner], warm: Callable[[], object], said: dict[str, Any]) -> Work:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        weights, config = _records(message)
        return Message(choose(config).train(weights, config), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, _: Context) -> Message:
        weights, config = _records(message)
        return Message(choose(config).evaluate(weights, config), reply_to=message)

    return Work(app, lambda config: choose(config).prepare(config), said, warm)


def _records(message: Message) -> tuple[ArrayRecord, Config]:
    return message.content.array_records["arrays"], dict(message.content.config_records["config"])


class KerasLearner:
    """Trains and evaluates Keras networks with one part of one data set."""

    def __init__(self, data: datasets.Data, partition: int, partitions: int, share_labels: bool) -> None:
        self._data = data
        self._partition = partition
        self._share_labels = share_labels
        self._cut = lru_cache(maxsize=1)(
            lambda partitioner, alpha, seed: data.part(
                partition, partitions, partitioner=partitioner, alpha=alpha, seed=seed
            )
        )

    def prepare(self, config: Config) -> Config:
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

    def train(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Train from the weights; answer with the new ones, and loss and accuracy of the last epoch."""
        samples, trainer = self._part(config).train, self._trainer(config)
        trainer.load(weights)
        rng = np.random.default_rng((config["seed"], config.get("server-round", 0), self._partition))
        metrics = trainer.fit(samples, config, rng) | {"num-examples": len(samples)}
        if config.get("strategy") == "QFedAvg":  # Flower's class reads the loss under this name
            metrics["train_loss"] = metrics["loss"]
        return RecordDict({"arrays": trainer.arrays(), "metrics": MetricRecord(metrics)})

    def evaluate(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Answer with loss and accuracy of the weights on the part's test samples."""
        samples, trainer = self._part(config).test, self._trainer(config)
        trainer.load(weights)
        return RecordDict({"metrics": MetricRecord(trainer.evaluate(samples) | {"num-examples": len(samples)})})

    def _part(self, config: Config) -> datasets.Part:
        if (wanted := config.get("dataset", self._data.name)) != self._data.name:
            raise ValueError(f"holds {self._data.name}, the run needs {wanted}")
        return self._cut(config["partitioner"], config["dirichlet_alpha"], config["seed"])

    def _trainer(self, config: Config) -> Trainer:
        return trainer_for(config["network"], datasets.SHAPES[self._data.name], config["loss"], config["optimizer"])
