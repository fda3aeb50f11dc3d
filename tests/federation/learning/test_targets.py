"""Tables whose target is a number or one of two classes: the same trainer learns them, by the agreed schema."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from federation.learning.data.formats import Samples
from federation.learning.networks.__main__ import main
from federation.learning.spec import spec_of
from federation.learning.training.trainer import Trainer, Training
from federation.run.config import RunConfig
from federation.schema.columns import AgreedColumn, AgreedSchema
from federation.schema.spec import Spec
from tests.support.learners import settings

pytestmark = pytest.mark.slow

SEED = 3


def schema(classes: list[str], columns: int = 4) -> AgreedSchema:
    described = [AgreedColumn(name=f"x{number}", kind="number") for number in range(columns)]
    return AgreedSchema(
        form="table", task="classes" if classes else "number", target="y", classes=classes, columns=described
    )


def config_for(classes: list[str], **run: Any) -> dict[str, Any]:
    loss = run.pop("loss", "auto")
    config = settings(learning_rate=0.01, local_epochs=30, dropout=0.0, **run)
    return config | {"loss": loss, "schema": schema(classes).model_dump_json()}


def table(rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns, and a number that is a line through them."""
    columns = np.random.default_rng(SEED).standard_normal((rows, 4), np.float32)
    return columns, columns @ np.array([2, -1, 0.5, 0], np.float32) + np.float32(0.5)


def trained(config: dict[str, Any], samples: Samples) -> Trainer:
    trainer = Trainer(Training.of(config))
    trainer.fit(samples, config, np.random.default_rng(SEED))
    return trainer


@pytest.mark.parametrize("loss", ["auto", "mean_absolute_error", "huber"])
def test_a_number_is_learned_and_told_as_rmse(loss: str) -> None:
    columns, numbers = table(400)
    samples = Samples(columns, numbers)
    trainer = trained(config_for([], loss=loss), samples)
    predicted = np.asarray(trainer.evaluate_outputs(samples)[1])[:, 0]
    assert trainer.evaluate(samples) == {
        "loss": pytest.approx(trainer.evaluate(samples)["loss"]),
        "rmse": pytest.approx(float(np.sqrt(np.mean((predicted - numbers) ** 2))), rel=1e-4),
    }
    assert 1 - np.var(predicted - numbers) / np.var(numbers) > 0.95


@pytest.mark.parametrize("loss", ["auto", "binary_crossentropy"])
def test_one_of_two_classes_is_learned_with_each_loss_that_fits(loss: str) -> None:
    columns, numbers = table(400)
    samples = Samples(columns, (numbers > 0).astype(np.int32))
    trainer = trained(config_for(["no", "yes"], loss=loss), samples)
    assert float(str(trainer.evaluate(samples)["accuracy"])) > 0.95
    predicted = trainer.evaluate_outputs(samples)[1]
    assert predicted.shape == (400, 2)
    assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_binary_cross_entropy_over_two_outputs_is_that_of_one_probability() -> None:
    columns, numbers = table(50)
    samples = Samples(columns, (numbers > 0).astype(np.int32))
    losses = [Trainer(Training.of(config_for(["no", "yes"], loss=loss))) for loss in ("auto", "binary_crossentropy")]
    losses[1].load(losses[0].arrays())
    yes = np.asarray(losses[0].evaluate_outputs(samples)[1], np.float64)[:, 1]
    by_hand = -np.mean(np.where(samples.labels == 1, np.log(yes), np.log(1 - yes)))
    assert [one.evaluate(samples)["loss"] for one in losses] == pytest.approx([by_hand, by_hand], rel=1e-4)


def test_the_spec_follows_from_the_schema_and_the_server_builds_the_same_network(tmp_path: Any, capsys: Any) -> None:
    assert spec_of(config_for(["a", "b"])) == Spec(shape=(4,), outputs=2, target="binary")
    assert spec_of(config_for(["a", "b", "c"])) == Spec(shape=(4,), outputs=3, target="classes")
    assert spec_of({"dataset": "digits"}) == Spec(shape=(8, 8, 1), outputs=10, target="classes")
    config = config_for([], hidden_units="5, 3")
    arguments = ["--network", "mlp", "--seed", "1", "--output", str(tmp_path / "x.npz")]
    options = ["--spec", spec_of(config).model_dump_json(), "--settings", '{"hidden": [5, 3], "dropout": 0}']
    assert main([*arguments, *options]) == 0
    assert '"classes": 0, "target": "number"' in capsys.readouterr().out
    with np.load(tmp_path / "x.npz") as written:
        drawn = {name: written[name].shape for name in written.files}
    assert drawn == {entry.name: entry.shape for entry in Trainer(Training.of(config)).layout.entries}
    assert drawn["hidden2/kernel"] == (5, 3)
    assert main([*arguments, "--spec", '{"shape": [4], "outputs": 3, "target": "number"}']) == 1
    assert "3 outputs do not fit a target of the kind number" in capsys.readouterr().err
    assert main([*arguments, *options, "--loss", "kl_divergence"]) == 1
    assert "the loss kl_divergence does not fit a target of a number" in capsys.readouterr().err


def test_a_loss_that_cannot_fit_is_refused_when_a_run_is_made() -> None:
    with pytest.raises(ValueError, match="mean_squared_error does not fit a target of several classes"):
        RunConfig(loss="mean_squared_error")
    with pytest.raises(ValueError, match="“12a” is no size of a layer"):
        RunConfig(hidden_units="3, 12a")
