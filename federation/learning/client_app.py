"""The built-in Flower ClientApp: train and evaluate a network on the client's own partition of a data set.

Connections, retries and keys are the client process's; ``synthetic`` work has its own module.
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
from federation.learning.data.catalogue import CLASSES, SHAPES
from federation.learning.keras_backend import load_keras
from federation.learning.optimization import Optimization
from federation.learning.synthetic import SyntheticLearner
from federation.learning.trainer import Trainer, trainer_for
from federation.run.metric_names import LOSS_AFTER, LOSS_BEFORE
from federation.run.networks import Dataset

Config = dict[str, Any]
"""A task's config: the run's fields and the values that the strategy adds."""


@dataclass(frozen=True)
class Work:
    """The work that a client process offers.

    ``prepare`` takes a run's config and returns what the server compares: layout, samples, image shape, classes.
    ``data`` is the client's description of its data for the hello. ``warm`` imports slow packages before the first
    task needs them.
    """

    app: ClientApp
    prepare: Callable[[Config], Config]
    data: dict[str, Any]
    warm: Callable[[], object] = lambda: None


class Learner(Protocol):
    """Performs the three kinds of tasks; ``weights`` are in the order of the layout that ``prepare`` returned."""

    def prepare(self, config: Config) -> Config:
        """Return what the server compares before round 0."""

    def train(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Return ``arrays`` and ``metrics``."""

    def evaluate(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Return ``metrics``."""


def build_work(
    dataset: Dataset, partition: int, partitions: int, *, path: Path | None = None, share_labels: bool = False
) -> Work:
    """Find the data set and return the work of the client with partition ``partition`` of ``partitions``.

    Raises
    ------
    DataNotFound
        If there is no usable copy of the data set.
    ValueError
        If there is no such partition.
    """
    data = None if dataset == "synthetic" else datasets.load(dataset, path)
    return work_on(data, partition, partitions, share_labels=share_labels)


def work_on(data: datasets.Data | None, partition: int, partitions: int, *, share_labels: bool = False) -> Work:
    """Return the work of a client with a partition of ``data``; None: of one that trains no network.

    Clients in one process share ``data``. Raises ValueError if there is no such partition.
    """
    if not 0 <= partition < partitions:
        raise ValueError(f"There is no partition {partition} of {partitions}: they count from 0 to {partitions - 1}.")
    about: dict[str, Any] = {"partition": partition, "partitions": partitions}
    synthetic = SyntheticLearner(partition, holds_data=data is not None)
    if data is None:
        about |= {"dataset": "synthetic", "samples": None, "source": "synthetic"}
        return _work(lambda _: synthetic, lambda: None, about)
    keras = KerasLearner(data, partition, partitions, share_labels)
    about |= {"dataset": data.name, "samples": data.part_size(partition, partitions), "source": data.source}
    about["shares_labels"] = share_labels
    return _work(lambda config: synthetic if config["network"] == "synthetic" else keras, load_keras, about)


def _work(learner_for: Callable[[Config], Learner], warm: Callable[[], object], about: dict[str, Any]) -> Work:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        weights, config = _records(message)
        return Message(learner_for(config).train(weights, config), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, _: Context) -> Message:
        weights, config = _records(message)
        return Message(learner_for(config).evaluate(weights, config), reply_to=message)

    return Work(app, lambda config: learner_for(config).prepare(config), about, warm)


def _records(message: Message) -> tuple[ArrayRecord, Config]:
    return message.content.array_records["arrays"], dict(message.content.config_records["config"])


class KerasLearner:
    """Trains and evaluates Keras networks on one partition of one data set."""

    def __init__(self, data: datasets.Data, partition: int, partitions: int, share_labels: bool) -> None:
        self._data = data
        self._partition = partition
        self._share_labels = share_labels
        self._cut = lru_cache(maxsize=1)(
            lambda partitioner, alpha, seed, classes, noise: data.part(
                partition, partitions, partitioner=partitioner, alpha=alpha, seed=seed, classes=classes, noise=noise
            )
        )

    def prepare(self, config: Config) -> Config:
        """Build the network and cut the data; label counts are those of the training samples, (classes,)."""
        part, trainer = self._part(config), self._trainer(config)
        counts = np.bincount(part.train.labels, minlength=CLASSES).tolist()
        return {
            "layout": trainer.layout.to_json(),
            "samples": {"train": len(part.train), "test": len(part.test)},
            "input_shape": list(SHAPES[self._data.name]),
            "classes": CLASSES,
            "label_counts": counts if self._share_labels else None,
        }

    def train(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Train from the weights; return the new ones, and loss and accuracy of the last epoch.

        With the diagnostics of losses also the loss on all training samples before and after.
        """
        samples, trainer = self._part(config).train, self._trainer(config)
        trainer.load(weights)
        rng = np.random.default_rng((config["seed"], config.get("server-round", 0), self._partition))
        losses = config.get("diagnostics") == "losses"
        before = trainer.evaluate(samples)["loss"] if losses else None
        metrics = trainer.fit(samples, config, rng) | {"num-examples": len(samples)}
        if before is not None:
            metrics |= {LOSS_BEFORE: before, LOSS_AFTER: trainer.evaluate(samples)["loss"]}
        if config.get("strategy") == "QFedAvg":  # Flower's class reads the loss under this name
            metrics["train_loss"] = metrics["loss"]
        return RecordDict({"arrays": trainer.arrays(), "metrics": MetricRecord(metrics)})

    def evaluate(self, weights: ArrayRecord, config: Config) -> RecordDict:
        """Return loss and accuracy of the weights on the partition's test samples."""
        samples, trainer = self._part(config).test, self._trainer(config)
        trainer.load(weights)
        return RecordDict({"metrics": MetricRecord(trainer.evaluate(samples) | {"num-examples": len(samples)})})

    def _part(self, config: Config) -> datasets.Part:
        if (needed := config.get("dataset", self._data.name)) != self._data.name:
            raise ValueError(f"holds {self._data.name}, the run needs {needed}")
        return self._cut(
            config["partitioner"], config["dirichlet_alpha"], config.get("data_seed", config["seed"]),
            config.get("classes_per_client", 1), config.get("feature_noise", 0.0),
        )  # fmt: skip

    def _trainer(self, config: Config) -> Trainer:
        return trainer_for(config["network"], SHAPES[self._data.name], config["loss"], Optimization.of(config))
