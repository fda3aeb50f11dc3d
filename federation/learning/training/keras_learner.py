"""The tasks of a client that trains a Keras network: prepare, train and evaluate, on the samples of one partition."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict

from federation.learning.data.datasets import Part
from federation.learning.spec import unit_of
from federation.learning.training.metrics import counts_of, metrics_of, wants_all_metrics
from federation.learning.training.personal_state import PersonalState
from federation.learning.training.trainer import MetricValues, Training, trainer_for
from federation.run.metric_names import LOSS_AFTER, LOSS_BEFORE

Config = dict[str, Any]
"""A task's config: the run's fields and the values that the strategy adds."""


class KerasLearner:
    """Trains and evaluates Keras networks on one client's samples.

    ``part`` returns the client's training and test samples as a run's config asks for them; it is called in every
    task. ``number`` is the client's own part of the seed. ``shares_counts``: the client tells how many samples each
    class has, and counts by which the server pools metrics.
    """

    def __init__(self, part: Callable[[Config], Part], number: int, shares_counts: bool) -> None:
        self._part, self._number, self._shares_counts = part, number, shares_counts

    def prepare(self, config: Config) -> Config:
        """Build the network and cut the data; label counts are those of the training samples, (classes,)."""
        part, trainer = self._part(config), trainer_for(Training.of(config))
        spec = trainer.spec
        counts = np.bincount(part.train.labels, minlength=spec.classes).tolist() if spec.classes else None
        return {
            "layout": trainer.layout.to_json(),
            "samples": {"train": len(part.train), "test": len(part.test)},
            "input_shape": list(spec.shape),
            "classes": spec.classes,
            "label_counts": counts if self._shares_counts else None,
        }

    def train(self, weights: ArrayRecord, config: Config, state: RecordDict) -> RecordDict:
        """Train from the weights; return the new ones, and the means of the last epoch.

        Personal layers are trained from those in the state of the run's Context, which gets the new ones.

        With the diagnostics of losses also the loss on all training samples before and after.
        """
        samples, training = self._part(config).train, Training.of(config)
        trainer, personal = trainer_for(training), PersonalState(state, training)
        trainer.load(weights, personal.kept)
        rng = np.random.default_rng((config["seed"], config.get("server-round", 0), self._number))
        losses = config.get("diagnostics") == "losses"
        before = trainer.evaluate(samples)["loss"] if losses else None
        metrics = _in_unit(trainer.fit(samples, config, rng), config) | {"num-examples": len(samples)}
        personal.keep(trainer)
        if before is not None:
            metrics |= {LOSS_BEFORE: before, LOSS_AFTER: trainer.evaluate(samples)["loss"]}
        if config.get("strategy") == "QFedAvg":  # Flower's class reads the loss under this name
            metrics["train_loss"] = metrics["loss"]
        return RecordDict({"arrays": trainer.arrays(), "metrics": MetricRecord(metrics)})

    def evaluate(self, weights: ArrayRecord, config: Config, state: RecordDict) -> RecordDict:
        """Return the metrics of the weights on the test samples, and counts where the client tells them.

        Personal layers are those in the state of the run's Context.
        """
        samples, training = self._part(config).test, Training.of(config)
        trainer = trainer_for(training)
        trainer.load(weights, PersonalState(state, training).kept)
        means, outputs = trainer.evaluate_outputs(samples)
        metrics = _in_unit(means, config) | {"num-examples": len(samples)}
        if wants_all_metrics(config):
            unit = unit_of(config)
            metrics |= metrics_of(samples.labels, outputs, unit)
            metrics |= counts_of(samples.labels, outputs, unit) if self._shares_counts else {}
        return RecordDict({"metrics": MetricRecord(metrics)})


def _in_unit(metrics: MetricValues, config: Config) -> MetricValues:
    """Return the means with rmse in the unit of the person's target; the loss stays that of the labels."""
    rmse = metrics.get("rmse")
    return metrics | {"rmse": rmse * unit_of(config).deviation} if isinstance(rmse, float) else metrics
