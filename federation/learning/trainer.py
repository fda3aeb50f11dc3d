"""A Keras network with optimizer and loss, built once in a process and used in every round.

The compiled TensorFlow functions are in ``steps``.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from numpy.typing import NDArray

from federation.learning import networks, steps
from federation.learning.data.catalogue import CLASSES, Shape
from federation.learning.data.formats import Samples
from federation.learning.optimization import Optimization
from federation.progress import report_progress
from federation.weights.layout import Layout, LayoutMismatch
from federation.weights.records import record_of, values_of

EVALUATION_BATCH = 256
"""Samples in an evaluation batch; no result depends on it."""

MetricValues = dict[str, int | float | list[int] | list[float]]
"""The values that Flower's ``MetricRecord`` takes."""


@lru_cache(maxsize=2)
def trainer_for(network: str, shape: Shape, loss: str, optimization: Optimization) -> "Trainer":
    """Return the process's trainer for that combination; the two that were used last are kept."""
    return Trainer(network, shape, loss, optimization)


class Trainer:
    """Trains and evaluates the weights that are loaded; no state of one round remains in the next.

    A step is one call of a TensorFlow function. ``Model.fit`` computes the same, but its set-up of every epoch takes
    longer than an epoch of a small partition.
    """

    def __init__(self, network: str, shape: Shape, loss: str, optimization: Optimization) -> None:
        self._network, self._loss, self._decay = network, loss, optimization.weight_decay
        self._model = networks.build(network, shape)
        self._optimizer = optimization.build(self._model.trainable_variables)
        self.layout = networks.layout_of(self._model)

    def load(self, record: ArrayRecord) -> None:
        """Take over weights, in the layout's order; raises LayoutMismatch for the weights of another network."""
        arrays = [values_of(array) for array in record.values()]
        if difference := self.layout.difference(Layout.of([""] * len(arrays), arrays).entries):
            raise LayoutMismatch(f"{self._network}: the server {difference.replace('the run', 'this network')}")
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array, read_value=False)

    def arrays(self) -> ArrayRecord:
        """Return the weights by name, in the layout's order."""
        named = zip(self.layout.entries, self._model.get_weights(), strict=True)
        return record_of((entry.name, weights) for entry, weights in named)

    def fit(self, samples: Samples, config: dict[str, Any], rng: np.random.Generator) -> MetricValues:
        """Train the loaded weights as the run's config says; return loss and accuracy of the last epoch.

        All randomness comes from ``rng``. Raises TaskCancelled after any batch.
        """
        step = self._reset(config, rng)
        epochs, size = config["local_epochs"], config["batch_size"]
        batches = _number_of_batches(len(samples), size)
        batches = min(batches, config.get("steps_per_epoch") or batches)
        for epoch in range(epochs):
            order = rng.permutation(len(samples))[: batches * size]
            means = _run(step, samples, order, size, done=epoch * batches, total=epochs * batches)
        return means

    def evaluate(self, samples: Samples) -> MetricValues:
        """Return loss and accuracy of the loaded weights over all samples."""
        total = _number_of_batches(len(samples), EVALUATION_BATCH)
        return _run(self.evaluation_step, samples, np.arange(len(samples)), EVALUATION_BATCH, done=0, total=total)

    def confusion(self, samples: Samples) -> list[list[int]]:
        """Return how many samples of each class (row) the loaded weights take for each class (column)."""
        counts = np.zeros((CLASSES, CLASSES), np.int64)
        for indices in _batches(np.arange(len(samples)), EVALUATION_BATCH):
            predicted = self._prediction_step(samples.images[indices]).numpy()
            np.add.at(counts, (samples.labels[indices], predicted), 1)
        table: list[list[int]] = counts.tolist()
        return table

    def _reset(self, config: dict[str, Any], rng: np.random.Generator) -> steps.Step:
        """Put optimizer and dropout into their initial state and return the step that the config asks for."""
        self._reset_optimizer(float(config["learning_rate"]))
        for layer in self._model.layers:
            if (generator := getattr(layer, "seed_generator", None)) is not None:
                generator.state.assign(rng.integers(2**31, size=2))
        if not (mu := config.get("proximal-mu", 0.0)):
            return self.training_step
        self._proximal_term.set(mu, self._model.trainable_variables)
        return self._proximal_training_step

    @cached_property
    def _variables(self) -> list[Any]:
        """The weights as TensorFlow's own variables: to assign Keras' takes three times as long."""
        return [variable.value for variable in self._model.weights]

    @cached_property
    def _reset_optimizer(self) -> Callable[[float], None]:
        return steps.optimizer_reset(self._optimizer)

    @cached_property
    def training_step(self) -> steps.Step:
        """The training step, compiled at its first use."""
        return steps.training_step(self._model, self._optimizer, self._loss, self._decay)

    @cached_property
    def _proximal_term(self) -> steps.ProximalTerm:
        return steps.ProximalTerm(self._model.trainable_variables)

    @cached_property
    def _proximal_training_step(self) -> steps.Step:
        return steps.training_step(self._model, self._optimizer, self._loss, self._decay, self._proximal_term)

    @cached_property
    def _prediction_step(self) -> Callable[[Any], Any]:
        return steps.prediction_step(self._model)

    @cached_property
    def evaluation_step(self) -> steps.Step:
        """The evaluation step, compiled at its first use."""
        return steps.evaluation_step(self._model, self._loss)


def _number_of_batches(samples: int, size: int) -> int:
    return -(-samples // size)


def _batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _run(
    step: steps.Step, samples: Samples, order: NDArray[np.int64], size: int, *, done: int, total: int
) -> MetricValues:
    """Call the step for each batch and report it; return mean loss and accuracy over the samples.

    ``done`` of the task's ``total`` batches came before these.
    """
    losses = correct = 0.0
    seen = 0
    for batch, indices in enumerate(_batches(order, size), done + 1):
        sums = step(samples.images[indices], samples.labels[indices]).numpy().tolist()
        losses, correct, seen = losses + sums[0], correct + sums[1], seen + len(indices)
        report_progress(batch, total, losses / seen)
    return {"loss": losses / seen, "accuracy": correct / seen}
