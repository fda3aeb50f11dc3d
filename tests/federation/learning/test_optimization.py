"""Momentum and weight decay: the steps of the optimizers are those that numpy computes."""

from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from federation.learning.data.formats import Samples
from federation.learning.keras_backend import load_keras
from federation.learning.training.optimization import Optimization
from federation.learning.training.steps import training_step
from federation.learning.training.trainer import Trainer, Training, balanced_weights
from federation.run.choices import OPTIMIZERS, Optimizer
from federation.run.config import RunConfig
from federation.schema.columns import AgreedSchema
from tests.support.learners import settings

pytestmark = pytest.mark.slow

SCHEMA = {
    "schema": AgreedSchema(
        form="arrays", task="classes", target="y", classes=["no", "yes"], shape=[4]
    ).model_dump_json()
}
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


def test_every_optimizer_learns_and_begins_each_round_anew() -> None:
    """Also those whose state does not begin at zero: the same task twice gives the same weights."""
    load_keras().utils.set_random_seed(3)  # ftrl does not improve every network that chance draws
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((64, 4), np.float32)
    samples = Samples(inputs, (inputs[:, 0] > 0).astype(np.int32))
    for name in get_args(Optimizer):
        config = settings(optimizer=name, learning_rate=0.05, local_epochs=3, weight_decay=0.001) | SCHEMA
        trainer = Trainer(Training.of(config))
        start, before = trainer.arrays(), trainer.evaluate(samples)["loss"]
        ends = []
        for _ in range(2):
            trainer.load(start)
            trainer.fit(samples, config, np.random.default_rng(1))
            ends.append([array.numpy() for array in trainer.arrays().values()])
        assert float(str(trainer.evaluate(samples)["loss"])) < float(str(before)), name
        assert all(np.array_equal(one, other) for one, other in zip(*ends, strict=True)), name


def test_the_optimizers_are_those_of_the_installed_keras() -> None:
    """ScheduleFreeAdamW has other weights while it trains, and the rest wrap an optimizer."""
    optimizers = load_keras().optimizers
    named = {name for name in dir(optimizers) if isinstance(getattr(optimizers, name), type)}
    others = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap", "ScheduleFreeAdamW"}
    assert set(OPTIMIZERS.values()) == named - others
    assert set(OPTIMIZERS) == set(get_args(Optimizer))


def test_balanced_class_weights_are_those_of_scikit_learn_and_change_what_is_learned() -> None:
    labels = np.array([0] * 40 + [1] * 4 + [2] * 20, np.int32)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3) == pytest.approx(expected)
    assert balanced_weights(labels, 4)[:3] == pytest.approx(expected), "a class without samples has no weight"
    inputs = np.random.default_rng(3).standard_normal((64, 4), np.float32)
    samples = Samples(inputs, (np.arange(64) < 6).astype(np.int32))
    shares = []
    for weights in ("off", "balanced"):
        config = settings(class_weights=weights, optimizer="sgd", learning_rate=0.2, local_epochs=20) | SCHEMA
        trainer = Trainer(Training.of(config))
        trainer.fit(samples, config, np.random.default_rng(1))
        shares.append(float(trainer.evaluate_outputs(samples)[1][:, 1].mean()))
    assert shares[0] < 0.3 < shares[1]


def test_a_config_names_its_optimizer_and_one_of_an_earlier_server_has_plain_ones() -> None:
    config = RunConfig(optimizer="sgd", momentum=0.9, weight_decay=1e-5).model_dump()
    assert Optimization.of(config) == Optimization("sgd", 0.9, 1e-5)
    assert Optimization.of({**config, "optimizer": "adam"}) == Optimization("adam", 0.0, 1e-5)
    assert Optimization.of({"optimizer": "sgd"}) == Optimization("sgd")
    assert [Optimization(name, 0.0, 0.1).added_decay for name in ("adam", "adamw")] == [0.1, 0.0]


def test_momentum_and_weight_decay_belong_to_the_networks_that_meadow_builds() -> None:
    assert {"momentum", "weight_decay"} <= RunConfig(network="synthetic").unused
    assert not RunConfig().unused & {"momentum", "weight_decay"}
