"""The requirements of a run on its clients."""

from typing import Any, get_args

import pytest

from federation.run.config import RunConfig
from federation.run.eligibility import Ineligible, why_ineligible
from federation.run.networks import KERAS_NETWORKS, Network, needs_dataset

DIGITS: dict[str, Any] = {"network": "mlp", "dataset": "digits", "selected": None}


@pytest.mark.parametrize(("run", "data", "expected"), [
    ({}, {"dataset": "digits"}, None),
    ({}, {"dataset": "mnist"}, Ineligible.OTHER_DATASET),
    ({}, {}, Ineligible.OTHER_DATASET),
    ({"selected": [7, 9]}, {"dataset": "digits"}, None),
    ({"selected": [9]}, {"dataset": "digits"}, Ineligible.NOT_SELECTED),
    ({"selected": []}, {"dataset": "digits"}, Ineligible.NOT_SELECTED),
    ({"selected": []}, {"dataset": "mnist"}, Ineligible.NOT_SELECTED),
    ({"network": "synthetic"}, {"dataset": "mnist"}, None),
    ({"network": "custom"}, {"dataset": "mnist"}, Ineligible.NO_APP),
    ({"network": "custom"}, {"app": "own:app"}, None),
    ({}, {"app": "own:app"}, Ineligible.OWN_APP),
    ({}, {"app": "own:app", "dataset": "digits"}, Ineligible.OWN_APP),
    ({"network": "custom", "selected": [9]}, {"app": "own:app"}, Ineligible.NOT_SELECTED),
])  # fmt: skip
def test_the_first_requirement_that_client_7_does_not_meet_is_named(
    run: dict[str, Any], data: dict[str, Any], expected: Ineligible | None
) -> None:
    assert why_ineligible(7, data, **DIGITS | run) is expected


def test_networks_that_are_built_with_keras_need_the_runs_data_set() -> None:
    assert [network for network in get_args(Network) if needs_dataset(network)] == list(KERAS_NETWORKS)


def test_a_run_without_selected_clients_differs_from_a_run_of_all_clients() -> None:
    assert RunConfig(dataset="digits").demo_dataset == "digits"
    assert RunConfig(dataset="digits", clients=[]).demo_dataset is None
