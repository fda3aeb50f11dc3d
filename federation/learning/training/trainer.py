"""A Keras network with optimizer and loss, built once in a process and used in every round.

The compiled TensorFlow functions are in ``steps``.
"""

import math
from collections.abc import Mapping
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple, Self

import numpy as np
from flwr.app import ArrayRecord
from numpy.typing import NDArray

from federation.learning.data.formats import Samples
from federation.learning.keras_backend import seeded
from federation.learning.networks.building import build
from federation.learning.networks.personal import PersonalPart
from federation.learning.spec import spec_of
from federation.learning.training import steps
from federation.learning.training.batches import Sums, number_of_batches, run_batches
from federation.learning.training.frozen import freeze
from federation.learning.training.optimization import Optimization
from federation.run.choices import loss_for
from federation.run.networks import NetworkSettings
from federation.schema.spec import Spec
from federation.weights.layout import Layout, LayoutMismatch, NumpyArray
from federation.weights.records import record_of, values_of

EVALUATION_BATCH = 256
"""Samples in an evaluation batch; no result depends on it."""

MetricValues = dict[str, int | float | list[int] | list[float]]
"""The values that Flower's ``MetricRecord`` takes."""


class Training(NamedTuple):
    """What one trainer is built for; a round's config says the rest. ``loss`` is Keras' name of it.

    ``seed`` is that of the run where it has personal layers, which begin as its whole model would.
    """

    network: str
    spec: Spec
    settings: NetworkSettings
    loss: str
    optimization: Optimization
    balances_classes: bool = False
    frozen: str = ""
    personal: str = ""
    seed: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return what a task's config asks for; raises ValueError for a loss that does not fit the target."""
        spec = spec_of(config)
        loss = loss_for(config["loss"], spec.target)
        balances = config.get("class_weights") == "balanced" and not spec.is_number
        settings, frozen = NetworkSettings.of(config), config.get("frozen_layers", "")
        personal = config.get("personal_layers", "")
        seed = config["seed"] if personal else None
        return cls(config["network"], spec, settings, loss, Optimization.of(config), balances, frozen, personal, seed)


@lru_cache(maxsize=2)
def trainer_for(training: Training) -> "Trainer":
    """Return the process's trainer for that combination; the two that were used last are kept."""
    return Trainer(training)


class Trainer:
    """Trains and evaluates the weights that are loaded; no state of one round remains in the next.

    ``layout`` is that of the weights that are sent: all but those of personal layers.

    A step is one call of a TensorFlow function. ``Model.fit`` computes the same, but its set-up of every epoch takes
    longer than an epoch of a small partition.
    """

    def __init__(self, training: Training) -> None:
        self._training, self.spec = training, training.spec
        with seeded(training.seed):
            self._model = build(training.network, training.spec, training.settings)
        freeze(self._model, training.frozen)
        self._optimizer = training.optimization.build(self._model.trainable_variables)
        self._part = PersonalPart(self._model, training.personal)
        self.layout = self._part.shared_layout
        self._loaded: list[NumpyArray] = self._model.get_weights()
        self._first_personal = self._part.personal(self._loaded)
        self._is_behind = False
        """Whether the model's variables are yet to get the loaded weights: with the next step, which costs less."""

    def load(self, record: ArrayRecord, personal: ArrayRecord | None = None) -> None:
        """Take over weights, in the layout's order; raises LayoutMismatch for the weights of another network.

        ``personal`` are those of the client's personal layers; without them these are as in the run's first model.
        """
        arrays = [values_of(array) for array in record.values()]
        difference = self.layout.difference(Layout.of([""] * len(arrays), arrays).entries)
        if difference is not None:
            told = difference.replace("the run", "this network")
            raise LayoutMismatch(f"{self._training.network}: the server {told}")
        own = self._first_personal if personal is None else [values_of(array) for array in personal.values()]
        self._loaded, self._is_behind = self._part.joined(arrays, own), True

    def arrays(self) -> ArrayRecord:
        """Return the weights that are sent by name, in the layout's order."""
        return _named(self.layout, self._part.shared(self._values()))

    def personal_arrays(self) -> ArrayRecord:
        """Return the weights of the personal layers by name."""
        return _named(self._part.layout, self._part.personal(self._values()))

    def _values(self) -> list[Any]:
        self._catch_up()
        return list(self._read())

    def fit(self, samples: Samples, config: dict[str, Any], rng: np.random.Generator) -> MetricValues:
        """Train the weights that were loaded last as the run's config says; return the means of the last epoch.

        All randomness comes from ``rng``. Raises TaskCancelled after any batch.
        """
        step = self._reset(config, rng)
        if self._class_weights is not None:
            self._class_weights.assign(balanced_weights(samples.labels, self.spec.outputs))
        epochs, size = config["local_epochs"], config["batch_size"]
        batches = number_of_batches(len(samples), size)
        batches = min(batches, config.get("steps_per_epoch") or batches)
        for epoch in range(epochs):
            order = rng.permutation(len(samples))[: batches * size]
            sums = run_batches(step, samples, order, size, done=epoch * batches, total=epochs * batches)
        return self._means(sums)

    def evaluate(self, samples: Samples) -> MetricValues:
        """Return the means of the loaded weights over all samples: loss, and accuracy or, for numbers, rmse.

        Loss and rmse are in the unit of the labels.
        """
        return self.evaluate_outputs(samples)[0]

    def evaluate_outputs(self, samples: Samples) -> tuple[MetricValues, NDArray[np.float32]]:
        """Return what ``evaluate`` does, and the outputs (n, outputs)."""
        outputs: list[NDArray[np.float32]] = []
        total = number_of_batches(len(samples), EVALUATION_BATCH)
        if self._is_behind and total == 1:
            self._is_behind = False
            compiled: steps.Compiled = partial(self._loading_evaluation_step, *self._loaded)
        else:
            self._catch_up()
            compiled = self.evaluation_step

        def step(inputs: NDArray[np.float32], labels: NDArray[Any]) -> Any:
            sums, of_batch = compiled(inputs, labels)
            outputs.append(of_batch.numpy())
            return sums

        sums = run_batches(step, samples, np.arange(len(samples)), EVALUATION_BATCH, done=0, total=total)
        return self._means(sums), np.concatenate(outputs)

    def _means(self, sums: Sums) -> MetricValues:
        loss, second = sums.losses / sums.samples, sums.second / sums.samples
        return {"loss": loss, "rmse": math.sqrt(second)} if self.spec.is_number else {"loss": loss, "accuracy": second}

    def _reset(self, config: dict[str, Any], rng: np.random.Generator) -> steps.Step:
        """Put weights, optimizer and dropout into their initial state; return the step that the config asks for."""
        self._is_behind = False
        self._begin(*self._loaded, config["learning_rate"], *(rng.integers(2**31, size=2) for _ in self._seeds))
        if not (mu := config.get("proximal-mu", 0.0)):
            return self.training_step
        self._proximal_term.set(mu, self._model.trainable_variables)
        return self._proximal_training_step

    @cached_property
    def _variables(self) -> list[Any]:
        """The weights as TensorFlow's own variables: to assign Keras' takes three times as long."""
        return [variable.value for variable in self._model.weights]

    @cached_property
    def _class_weights(self) -> Any:
        return steps.ones(self.spec.outputs) if self._training.balances_classes else None

    @cached_property
    def _seeds(self) -> list[Any]:
        """The state of each generator of dropout, as TensorFlow's own variable."""
        generators = (getattr(layer, "seed_generator", None) for layer in self._model.layers)
        return [generator.state.value for generator in generators if generator is not None]

    def _catch_up(self) -> None:
        if self._is_behind:
            self._is_behind = False
            self._load(*self._loaded)

    @cached_property
    def _load(self) -> steps.Compiled:
        return steps.loading(self._variables)

    @cached_property
    def _read(self) -> steps.Compiled:
        return steps.reading(self._variables)

    @cached_property
    def _begin(self) -> steps.Compiled:
        return steps.beginning(self._variables, self._optimizer, self._seeds)

    @cached_property
    def training_step(self) -> steps.Step:
        """The training step, compiled at its first use."""
        return self._compiled_training_step(None)

    @cached_property
    def _proximal_term(self) -> steps.ProximalTerm:
        return steps.ProximalTerm(self._model.trainable_variables)

    @cached_property
    def _proximal_training_step(self) -> steps.Step:
        return self._compiled_training_step(self._proximal_term)

    def _compiled_training_step(self, proximal: steps.ProximalTerm | None) -> steps.Step:
        loss, decay = self._training.loss, self._training.optimization.added_decay
        return steps.training_step(
            self._model, self._optimizer, loss, decay, proximal, target=self.spec.target,
            class_weights=self._class_weights,
        )  # fmt: skip

    @cached_property
    def evaluation_step(self) -> steps.Compiled:
        """The evaluation step, compiled at its first use."""
        return steps.evaluation_step(self._model, self._training.loss, target=self.spec.target)

    @cached_property
    def _loading_evaluation_step(self) -> steps.Compiled:
        return steps.evaluation_step(self._model, self._training.loss, self._variables, target=self.spec.target)


def _named(layout: Layout, tensors: list[Any]) -> ArrayRecord:
    return record_of((entry.name, tensor.numpy()) for entry, tensor in zip(layout.entries, tensors, strict=True))


def balanced_weights(labels: NDArray[Any], classes: int) -> NDArray[np.float32]:
    """Return scikit-learn's balanced weight of each class: samples / (classes that have any x samples of the class)."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)
