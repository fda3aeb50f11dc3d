"""A Keras network with optimizer and loss, built once in a process and used for every round.

What TensorFlow has to compile is in ``steps``.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from flwr.app import ArrayRecord
from numpy.typing import NDArray

from federation.learning import networks, steps
from federation.learning.data.formats import Samples
from federation.progress import report_progress
from federation.weights.layout import Layout, LayoutMismatch
from federation.weights.records import record_of, values_of

EVALUATION_BATCH = 256
"""Samples evaluated at once; no result depends on it."""

Metrics = dict[str, int | float | list[int] | list[float]]
"""What Flower's MetricRecord takes."""

Step = Callable[[NDArray[Any], NDArray[Any]], Any]


@lru_cache(maxsize=2)
def trainer_for(network: str, shape: networks.Shape, loss: str, optimizer: str) -> "Trainer":
    """Return the process's trainer for that combination; the two used last are kept."""
    return Trainer(network, shape, loss, optimizer)


class Trainer:
    """Trains and evaluates whatever weights it is given; nothing of one round is left in the next.

    A step is one call of a TensorFlow function. ``Model.fit`` does the same sums, but its set-up of every epoch takes
    longer than an epoch of a small part.
    """

    def __init__(self, network: str, shape: networks.Shape, loss: str, optimizer: str) -> None:
        self._network, self._loss = network, loss
        self._model = networks.build(network, shape)
        self._optimizer = networks.load_keras().optimizers.get(optimizer)
        self._optimizer.build(self._model.trainable_variables)
        self.layout = networks.layout_of(self._model)

    def load(self, record: ArrayRecord) -> None:
        """Take over weights, in the layout's order; raises LayoutMismatch where they are another network's."""
        arrays = [values_of(array) for array in record.values()]
        if difference := self.layout.difference(Layout.of([""] * len(arrays), arrays).entries):
            raise LayoutMismatch(f"{self._network}: the server {difference.replace('the run', 'this network')}")
        for variable, array in zip(self._model.weights, arrays, strict=True):
            variable.assign(array)

    def arrays(self) -> ArrayRecord:
        """Return the weights by name, in the layout's order."""
        named = zip(self.layout.entries, self._model.get_weights(), strict=True)
        return record_of((entry.name, weights) for entry, weights in named)

    def fit(self, samples: Samples, config: dict[str, Any], rng: np.random.Generator) -> Metrics:
        """Train from the loaded weights as the run's config says; return loss and accuracy of the last epoch.

        All chance comes from ``rng``. Raises TaskCancelled after any batch.
        """
        step = self._begin(config, rng)
        epochs, size = config["local_epochs"], config["batch_size"]
        batches = _count(len(samples), size)
        batches = min(batches, config.get("steps_per_epoch") or batches)
        for epoch in range(epochs):
            order = rng.permutation(len(samples))[: batches * size]
            means = _run(step, samples, order, size, before=epoch * batches, of=epochs * batches)
        return means

    def evaluate(self, samples: Samples) -> Metrics:
        """Return loss and accuracy of the loaded weights over all samples."""
        batches = _count(len(samples), EVALUATION_BATCH)
        return _run(self.evaluation_step, samples, np.arange(len(samples)), EVALUATION_BATCH, before=0, of=batches)

    def _begin(self, config: dict[str, Any], rng: np.random.Generator) -> Step:
        """Make optimizer and dropout as good as new and return the step that the config asks for."""
        for variable in self._optimizer.variables:  # zero is how adam and sgd begin
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self._optimizer.learning_rate = config["learning_rate"]
        for layer in self._model.layers:
            if (generator := getattr(layer, "seed_generator", None)) is not None:
                generator.state.assign(rng.integers(2**31, size=2))
        if not (strength := config.get("proximal-mu", 0.0)):
            return self.training_step
        self._pull.set(strength, self._model.trainable_variables)
        return self._pulled_step

    @cached_property
    def training_step(self) -> Step:
        """Compiled at its first use."""
        return steps.training_step(self._model, self._optimizer, self._loss)

    @cached_property
    def _pull(self) -> steps.Pull:
        return steps.Pull(self._model.trainable_variables)

    @cached_property
    def _pulled_step(self) -> Step:
        return steps.training_step(self._model, self._optimizer, self._loss, self._pull)

    @cached_property
    def evaluation_step(self) -> Step:
        """Compiled at its first use."""
        return steps.evaluation_step(self._model, self._loss)


def _count(samples: int, size: int) -> int:
    return -(-samples // size)


def _batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _run(step: Step, samples: Samples, order: NDArray[np.int64], size: int, *, before: int, of: int) -> Metrics:
    """Call the step for each batch and report it; return the means of loss and right answers over the samples."""
    losses = right = 0.0
    seen = 0
    for batch, chosen in enumerate(_batches(order, size), before + 1):
        sums = step(samples.images[chosen], samples.labels[chosen]).numpy().tolist()
        losses, right, seen = losses + sums[0], right + sums[1], seen + len(chosen)
        report_progress(batch, of, losses / seen)
    return {"loss": losses / seen, "accuracy": right / seen}
