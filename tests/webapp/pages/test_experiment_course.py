"""How long an experiment will take, and the form of another one with the same settings."""

from pathlib import Path
from typing import Any

import pytest

from federation.run.states import RunState
from tests.support.books import Books
from webapp.db.repository.queue.experiments import insert_experiment, runs_of_experiment
from webapp.db.repository.runs import set_values
from webapp.operations.experiments.expansion import expand
from webapp.operations.experiments.requests import ExperimentRequest
from webapp.pages.experiments.remaining import remaining_seconds
from webapp.pages.start.experiment import experiment_copy


def test_the_rest_takes_as_long_as_the_rounds_of_runs_like_those_that_are_left(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path / "runs")
    (client,) = books.add_clients("site-a")
    with books.database.write() as session:
        number = insert_experiment(session, {
            "name": "A", "config": {}, "varied": [], "seeds": [1, 2], "configurations": 1, "started_by": None
        })  # fmt: skip

    def add(rounds: int, epochs: int, *, played: int) -> int:
        run = books.start_run(num_rounds=rounds, local_epochs=epochs)
        with books.database.write() as session:
            set_values(session, run, experiment_id=number, configuration=1)
        for one in range(1, played + 1):
            books.play_round(run, one, [client], accuracy=0.5)  # takes 2 s
        return run

    def remaining() -> float | None:
        with books.database.read() as session:
            return remaining_seconds(session, runs_of_experiment(session, number))

    first = add(10, 1, played=4)
    assert remaining() == 6 * 2.0
    assert books.runs.move(first, RunState.FAILED, "its clients were lost")
    assert remaining() is None, "nothing is left"
    add(20, 1, played=0)
    assert remaining() == 20 * 2.0
    add(5, 3, played=0)
    assert remaining() is None, "no run with 3 local epochs has a round yet"
    books.close()


@pytest.mark.parametrize(
    ("config", "seeds"),
    [
        ({"network": "mlp", "dataset": "digits", "learning_rate": [0.1, 0.01], "partitioner": ["iid", "dirichlet"],
          "dirichlet_alpha": {"from": 0.1, "to": 10, "factor": 10},
          "fraction_train": {"from": 0.5, "to": 1, "step": 0.25}, "round_timeout_seconds": 90, "name": "A, B"}, [3]),
        ({"strategy": ["FedAvg", "FedAdam", "FedYogi"], "strategy_options": {"FedAdam.eta": [0.1, 0.2], "tau": 0.01}},
         [1, 2]),
        ({"strategy": "FedProx", "strategy_options": {"proximal_mu": [0.1, 1]}, "clients": [4, 5]}, [1, 2]),
        ({"network": "custom", "app_config": {"penalty": ["l1", "l2"]}, "initial_weights": "0" * 64}, [1, 2]),
    ],
)  # fmt: skip
def test_a_copy_of_an_experiment_has_the_same_configurations_and_seeds(
    config: dict[str, Any], seeds: list[int]
) -> None:
    form = experiment_copy(ExperimentRequest(config=config, seeds=seeds).config, seeds)
    assert form.errors == {}
    copied, original = (
        [one.model_copy(update={"seed": 0}) for one in found.configs]
        for found in (form.request.expanded(), expand(config))
    )
    assert copied == original
    assert form.request.chosen_seeds(copied[0]) == seeds


def test_a_setting_that_the_form_cannot_hold_is_named() -> None:
    form = experiment_copy({"clients": [[1, 2], [3]], "data_seed": [None, 4]}, [1, 2])
    assert set(form.errors) == {"clients", "data_seed"}
