"""Clients with a table of their own learn together what one machine learns from all of their rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import FedAvg
from sklearn.datasets import load_diabetes

from examples.hospitals import write_hospitals
from federation.learning.data.formats import Samples
from federation.learning.data.own.options import Options
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.own_work import own_work
from federation.learning.spec import unit_of
from federation.learning.training.metrics import metrics_of
from federation.learning.training.trainer import Training, trainer_for
from tests.support.learners import ask, first_weights, settings
from tests.support.own_data import SHARING, agreed

pytestmark = pytest.mark.slow


def joined(samples: Sequence[Samples]) -> Samples:
    return Samples(*(np.concatenate([getattr(one, name) for one in samples]) for name in ("images", "labels")))


def scores(held: Sequence[OwnData], rounds: int, **run: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Return the metrics of the federated model and of the central one, on the test rows of all clients.

    Both train for as many epochs, on the same rows and from the same weights.
    """
    config = settings(network="mlp", dataset="own", **run) | {"schema": agreed(*held).model_dump_json()}
    works = [own_work(data, "own", number) for number, data in enumerate(held)]
    weights, strategy = first_weights(config), FedAvg()
    trainer, parts = trainer_for(Training.of(config)), [data.part(agreed(*held), config["seed"]) for data in held]
    tests = joined([part.test for part in parts])

    def measured(record: ArrayRecord) -> dict[str, float]:
        trainer.load(record)
        return metrics_of(tests.labels, trainer.evaluate_outputs(tests)[1], unit_of(config))

    trainer.load(weights)
    epochs = config | {"local_epochs": rounds * config["local_epochs"]}
    trainer.fit(joined([part.train for part in parts]), epochs, np.random.default_rng(1))
    central = measured(trainer.arrays())
    for number in range(1, rounds + 1):
        averaged, _ = strategy.aggregate_train(
            number, [ask(work, "train", weights, config | {"server-round": number}) for work in works]
        )
        assert averaged is not None
        weights = averaged
    return measured(weights), central


def test_three_hospitals_reach_the_auc_of_their_tables_on_one_machine(tmp_path: Path) -> None:
    options = Options(target="diagnosis", ignore=("patient",))
    held = [read(file, options, SHARING) for file in write_hospitals(tmp_path)]
    together, central = scores(held, rounds=8)
    assert together["auc"] >= 0.98
    assert together["auc"] == pytest.approx(central["auc"], abs=0.01)


def test_three_clients_explain_as_much_of_diabetes_as_one_machine_does(tmp_path: Path) -> None:
    table, progress = load_diabetes(return_X_y=True)
    held = []
    for client in range(3):
        rows = np.column_stack([table, progress])[client::3]
        header = ",".join([*(f"x{number}" for number in range(table.shape[1])), "progress"])
        file = tmp_path / f"{client}.csv"
        np.savetxt(file, rows, delimiter=",", header=header, comments="", fmt="%.8g")
        held.append(read(file, Options(target="progress"), SHARING))
    together, central = scores(held, rounds=15, hidden_units="16", learning_rate=0.01)
    assert central["r2"] > 0.4
    assert together["r2"] == pytest.approx(central["r2"], abs=0.05)
