"""The built-in Flower ClientApp: train and evaluate a network on the client's own partition of a data set.

Connections, retries and keys are the client process's; ``synthetic`` work has its own module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from federation.learning.data import datasets
from federation.learning.keras_backend import load_keras
from federation.learning.synthetic import SyntheticLearner
from federation.learning.training.keras_learner import Config, KerasLearner
from federation.run.data_cut import DataCut
from federation.run.networks import Dataset


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

    def train(self, weights: ArrayRecord, config: Config, state: RecordDict) -> RecordDict:
        """Return ``arrays`` and ``metrics``; what is put into ``state`` is there in later tasks of the run."""

    def evaluate(self, weights: ArrayRecord, config: Config, state: RecordDict) -> RecordDict:
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
        return work_of(lambda _: synthetic, lambda: None, about)
    keras = KerasLearner(_parts_of(data, partition, partitions), partition, share_labels)
    about |= {"dataset": data.name, "samples": data.part_size(partition, partitions), "source": data.source}
    about["shares_labels"] = share_labels
    return work_of(lambda config: synthetic if config["network"] == "synthetic" else keras, load_keras, about)


def _parts_of(data: datasets.Data, partition: int, partitions: int) -> Callable[[Config], datasets.Part]:
    """Return what cuts a partition out of the data as a run's config asks; the last cut is kept."""

    cut_out = lru_cache(maxsize=1)(partial(data.part, partition, partitions))

    def part(config: Config) -> datasets.Part:
        if (needed := config.get("dataset", data.name)) != data.name:
            raise ValueError(f"holds {data.name}, the run needs {needed}")
        seed, classes = config.get("data_seed", config["seed"]), config.get("classes_per_client", 1)
        cut = DataCut(config["partitioner"], seed, config["dirichlet_alpha"], classes)
        return cut_out(cut, config.get("feature_noise", 0.0))

    return part


def work_of(learner_for: Callable[[Config], Learner], warm: Callable[[], object], about: dict[str, Any]) -> Work:
    """Return work whose tasks are done by the learner of their config; ``about`` describes the client's data."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        weights, config = _records(message)
        return Message(learner_for(config).train(weights, config, context.state), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        weights, config = _records(message)
        return Message(learner_for(config).evaluate(weights, config, context.state), reply_to=message)

    return Work(app, lambda config: learner_for(config).prepare(config), about, warm)


def _records(message: Message) -> tuple[ArrayRecord, Config]:
    weights, config = message.content["arrays"], message.content["config"]
    assert isinstance(weights, ArrayRecord) and isinstance(config, ConfigRecord)
    return weights, dict(config)
