"""The built-in ClientApp: prepare, train, evaluate, progress, cancel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array

from federation.learning.client_app import Work, build_work
from federation.learning.data.datasets import load
from federation.learning.data.partitioning import TooFewSamples
from federation.learning.networks.building import build, layout_of
from federation.learning.spec import published_spec
from federation.learning.training.trainer import Trainer, Training
from federation.progress import TaskCancelled, reporting_to
from federation.run.data_cut import DataCut
from federation.run.networks import Dataset
from federation.weights.layout import Layout, LayoutMismatch
from tests.support.learners import Progress, arrays, ask, digits, first_weights, metrics, settings
from tests.support.new_apps import pass_own_tests
from webapp.commands.new_app import write_app

pytestmark = pytest.mark.slow


def train(config: dict[str, Any], work: Work | None = None) -> list[Any]:
    return arrays(ask(work or digits(), "train", first_weights(config), config)).to_numpy_ndarrays()


def same(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_a_client_describes_its_data() -> None:
    assert digits(1).data == {
        "dataset": "digits", "partition": 1, "partitions": 2, "samples": 898, "source": "embedded",
        "shares_labels": False,
    }  # fmt: skip


@pytest.mark.parametrize(("partition", "partitions"), [(2, 2), (-1, 2), (0, 0)])
def test_a_partition_that_does_not_exist_is_refused(partition: int, partitions: int) -> None:
    with pytest.raises(ValueError, match=f"no partition {partition} of {partitions}"):
        build_work("digits", partition, partitions)


def test_prepare_returns_layout_samples_and_shapes() -> None:
    answer = digits().prepare(settings())
    assert Layout.from_json(answer["layout"]) == layout_of(build("mlp", published_spec("digits")))
    assert answer["samples"] == {"train": 719, "test": 180}
    assert (answer["input_shape"], answer["classes"]) == ([8, 8, 1], 10)
    assert answer["label_counts"] is None


def test_labels_are_counted_only_if_the_client_shares_them() -> None:
    counts = digits(share_labels=True).prepare(settings())["label_counts"]
    assert len(counts) == 10
    assert sum(counts) == 719


def test_runs_with_one_data_seed_train_and_test_on_the_same_samples() -> None:
    weights, work = first_weights(settings()), digits(share_labels=True)

    def counts_and_score(**run: Any) -> tuple[Any, Any]:
        config = settings(partitioner="dirichlet", **run)
        return work.prepare(config)["label_counts"], metrics(ask(work, "evaluate", weights, config))

    assert counts_and_score(seed=1, data_seed=5) == counts_and_score(seed=2, data_seed=5) == counts_and_score(seed=5)
    assert counts_and_score(seed=1)[0] != counts_and_score(seed=2)[0]
    one, other = (train(settings(seed=seed, data_seed=5)) for seed in (1, 2))
    assert not same(one, other), "the seed still shuffles"


def test_another_data_set_is_refused_with_both_names() -> None:
    with pytest.raises(ValueError, match="holds digits, the run needs mnist"):
        digits().prepare(settings(dataset="mnist"))


def test_more_partitions_than_samples_are_refused() -> None:
    with pytest.raises(TooFewSamples, match="1,797 samples cannot be cut into 1,000 parts"):
        digits(0, 1000).prepare(settings())


def test_weights_of_another_network_are_refused_with_both_shapes() -> None:
    weights = first_weights(settings())
    with pytest.raises(LayoutMismatch, match="cnn: the server sends 4 arrays, this network needs 8"):
        ask(digits(), "train", weights, settings(network="cnn"))
    weights["hidden/bias"] = Array(np.zeros(64, np.float32))
    with pytest.raises(LayoutMismatch, match=r"sends float32 64, this network needs hidden/bias float32 128"):
        ask(digits(), "evaluate", weights, settings())


def test_a_train_reply_holds_new_weights_by_name_and_metrics() -> None:
    config = settings()
    weights = first_weights(config)
    reply = ask(digits(), "train", weights, config)
    assert list(arrays(reply)) == [name for name, _, _ in digits().prepare(config)["layout"]]
    assert not same(arrays(reply).to_numpy_ndarrays(), weights.to_numpy_ndarrays())
    assert set(metrics(reply)) == {"num-examples", "loss", "accuracy"}
    assert metrics(reply)["num-examples"] == 719


def test_an_evaluate_reply_equals_keras_own_and_changes_nothing() -> None:
    config = settings(partitioner="dirichlet")
    weights = first_weights(config)
    reply = metrics(ask(digits(1), "evaluate", weights, config))
    model = build("mlp", published_spec("digits"))
    model.set_weights(weights.to_numpy_ndarrays())
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    test = load("digits").part(1, 2, DataCut("dirichlet", 7, 0.5)).test
    loss, accuracy = model.evaluate(test.images, test.labels, verbose=0)
    assert reply == {
        "num-examples": len(test),
        "loss": pytest.approx(loss, abs=1e-5),
        "accuracy": pytest.approx(accuracy),
    }
    assert metrics(ask(digits(1), "evaluate", weights, config)) == reply


def test_training_equals_keras_own_batch_by_batch() -> None:
    config = settings(local_epochs=2, batch_size=100, learning_rate=0.01)
    weights = first_weights(config)
    model = build("mlp", published_spec("digits"))
    model.set_weights(weights.to_numpy_ndarrays())
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.01
    samples = load("digits").part(0, 2, DataCut("iid", 7)).train
    rng = np.random.default_rng((7, 1, 0))
    model.get_layer("dropout").seed_generator.state.assign(rng.integers(2**31, size=2))
    for _ in range(2):
        order = rng.permutation(len(samples))
        for start in range(0, len(order), 100):
            chosen = order[start : start + 100]
            model.train_on_batch(samples.images[chosen], samples.labels[chosen])
    for ours, theirs in zip(train(config), model.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_same_task_gives_the_same_result_after_other_tasks() -> None:
    first = train(settings(network="cnn"))
    train(settings(2, network="cnn", learning_rate=0.1), digits(1))
    assert same(first, train(settings(network="cnn")))


def test_round_seed_and_partition_each_change_the_result() -> None:
    first = train(settings())
    assert not same(first, train(settings(2)))
    assert not same(first, train(settings(), digits(1)))
    assert not same(first, train(settings(seed=8)))


def test_one_hot_losses_agree_with_the_sparse_one() -> None:
    sparse, categorical, divergence = (
        train(settings(loss=loss))
        for loss in ("sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence")
    )
    for expected, *others in zip(sparse, categorical, divergence, strict=True):
        assert all(other == pytest.approx(expected, abs=1e-3) for other in others)


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.003), ("sgd", 0.1)])
def test_both_optimizers_reduce_the_loss(optimizer: str, rate: float) -> None:
    config = settings(optimizer=optimizer, learning_rate=rate, local_epochs=5)
    weights = first_weights(config)
    before = metrics(ask(digits(), "evaluate", weights, config))["loss"]
    trained = ask(digits(), "train", weights, config)
    assert metrics(ask(digits(), "evaluate", arrays(trained), config))["loss"] < 0.6 * before


def test_epochs_and_steps_determine_the_number_of_batches() -> None:
    for run, expected in (
        ({}, 23), ({"local_epochs": 3}, 69), ({"local_epochs": 2, "steps_per_epoch": 4}, 8),
        ({"steps_per_epoch": 1000}, 23), ({"batch_size": 65_536}, 1),
    ):  # fmt: skip
        progress = Progress()
        with reporting_to(progress):
            train(settings(**run))
        assert progress.batches == [(batch, expected) for batch in range(1, expected + 1)]
        assert all(loss is not None and 0 < loss < 10 for loss in progress.losses)


@pytest.mark.parametrize("phase", ["train", "evaluate"])
def test_a_cancelled_task_ends_at_once_and_does_not_change_the_next(phase: str) -> None:
    expected, progress = train(settings()), Progress(cancel_after=1)
    with reporting_to(progress), pytest.raises(TaskCancelled):
        ask(digits(), phase, first_weights(settings()), settings(local_epochs=100))
    assert len(progress.batches) == 1
    assert same(train(settings()), expected)


def test_qfedavg_gets_the_train_loss() -> None:
    config = settings() | {"strategy": "QFedAvg"}
    weights = first_weights(config)
    for network in ("mlp", "synthetic"):
        reply = metrics(ask(digits(), "train", weights, config | {"network": network}))
        assert reply["train_loss"] == reply["loss"]


def test_the_proximal_term_keeps_the_weights_near_those_of_the_server() -> None:
    def moved(**added: float) -> float:
        config = settings(local_epochs=3, optimizer="sgd", learning_rate=0.05) | added
        pairs = zip(train(config), first_weights(config).to_numpy_ndarrays(), strict=True)
        return float(sum(np.square(mine - theirs).sum() for mine, theirs in pairs))

    free, pulled, again = moved(), moved(**{"proximal-mu": 5.0}), moved(**{"proximal-mu": 0.0})
    assert pulled < 0.1 * free
    assert again == free


def test_missing_data_raise_data_not_found(tmp_path: Path) -> None:
    from federation.learning.data.datasets import DataNotFound

    name: Dataset = "mnist"
    with pytest.raises(DataNotFound, match="does not hold mnist"):
        build_work(name, 0, 2, path=tmp_path)


def test_losses_before_and_after_training_are_those_of_all_training_samples() -> None:
    config = settings(diagnostics="losses", local_epochs=2)
    work, weights = digits(), first_weights(config)
    reply = ask(work, "train", weights, config)
    trainer, part = Trainer(Training.of(config)), load("digits").part(0, 2, DataCut("iid", config["seed"]))
    losses = []
    for record in (weights, arrays(reply)):
        trainer.load(record)
        losses.append(trainer.evaluate(part.train)["loss"])
    assert [metrics(reply)[name] for name in ("loss_before", "loss_after")] == losses
    plain = ask(digits(), "train", weights, settings(local_epochs=2))
    assert "loss_before" not in metrics(plain)
    assert same(arrays(plain).to_numpy_ndarrays(), arrays(reply).to_numpy_ndarrays()), "it changes no weight"


def test_the_tests_of_the_template_of_an_app_with_keras_pass(tmp_path: Path) -> None:
    assert pass_own_tests(write_app("photos", "images", tmp_path)) == 2
