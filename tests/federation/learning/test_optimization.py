"""Momentum and weight decay: the steps of the optimizers are those that numpy computes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from federation.learning.keras_backend import load_keras
from federation.learning.training.optimization import Optimization
from federation.learning.training.steps import training_step
from federation.run.config import RunConfig

pytestmark = pytest.mark.slow

RATE, STEPS, PIXELS, CLASSES = 0.1, 4, 4, 3
Weights = list[NDArray[np.float64]]


def gradients(weights: Weights, images: NDArray[Any], labels: NDArray[Any]) -> Weights:
    """Those of the mean cross-entropy of a softmax regression."""
    kernel, bias = weights
    flat = images.reshape(len(images), -1)
    scores = np.exp(flat @ kernel + bias)
    wrong = (scores / scores.sum(axis=1, keepdims=True) - np.eye(CLASSES)[labels]) / len(images)
    return [flat.T @ wrong, wrong.sum(axis=0)]


def steps_by_numpy(wanted: Optimization, weights: Weights, images: NDArray[Any], labels: NDArray[Any]) -> Weights:
    first, second = ([np.zeros_like(one) for one in weights] for _ in range(2))
    for step in range(1, STEPS + 1):
        both = zip(gradients(weights, images, labels), weights, strict=True)
        for i, gradient in enumerate([g + wanted.weight_decay * w for g, w in both]):
            if wanted.name == "sgd":
                first[i] = wanted.momentum * first[i] + gradient
                weights[i] = weights[i] - RATE * first[i]
                continue
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weights[i] = weights[i] - rate * first[i] / (np.sqrt(second[i]) + 1e-7)
    return weights


@pytest.mark.parametrize("wanted", [
    Optimization("sgd"), Optimization("sgd", 0.9), Optimization("sgd", 0.0, 0.3), Optimization("sgd", 0.9, 0.3),
    Optimization("adam", 0.0, 0.3),
])  # fmt: skip
def test_the_steps_are_those_that_numpy_computes(wanted: Optimization) -> None:
    keras, rng = load_keras(), np.random.default_rng(7)
    inputs = keras.Input((2, 2, 1))
    outputs = keras.layers.Dense(CLASSES, activation="softmax")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights([rng.normal(size=(PIXELS, CLASSES)), rng.normal(size=CLASSES)])
    expected: Weights = [np.array(weights, np.float64) for weights in model.get_weights()]
    images, labels = rng.random((8, 2, 2, 1), np.float32), rng.integers(CLASSES, size=8, dtype=np.int32)
    optimizer = wanted.build(model.trainable_variables)
    optimizer.learning_rate = RATE
    step = training_step(model, optimizer, "sparse_categorical_crossentropy", wanted.weight_decay)
    for _ in range(STEPS):
        step(images, labels)
    expected = steps_by_numpy(wanted, expected, images, labels)
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_config_names_its_optimizer_and_one_of_an_earlier_server_has_plain_ones() -> None:
    config = RunConfig(optimizer="sgd", momentum=0.9, weight_decay=1e-5).model_dump()
    assert Optimization.of(config) == Optimization("sgd", 0.9, 1e-5)
    assert Optimization.of({**config, "optimizer": "adam"}) == Optimization("adam", 0.0, 1e-5)
    assert Optimization.of({"optimizer": "sgd"}) == Optimization("sgd")


def test_momentum_and_weight_decay_belong_to_the_networks_that_meadow_builds() -> None:
    assert {"momentum", "weight_decay"} <= RunConfig(network="synthetic").unused
    assert not RunConfig().unused & {"momentum", "weight_decay"}
