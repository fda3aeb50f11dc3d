"""What clients evaluate a run's weights on, in words. Nothing is opened here."""

from collections.abc import Mapping
from typing import Any

from federation.learning.data.catalogue import TEST_SAMPLES
from federation.learning.data.partitioning import TEST_SHARE
from federation.run.data_cut import DataCut
from federation.run.metric_goals import SERVER_PHASE
from federation.run.networks import KERAS_NETWORKS, is_data_name


def evaluated_on(config: Mapping[str, Any]) -> str:
    """Return the evaluation data of a run with that stored configuration."""
    network, dataset = config["network"], config.get("dataset")
    if config.get("kind") == "statistics":
        return "no data, rows are counted"
    if network in ("custom", "app"):
        return "data that each client's own app chooses"
    if network not in KERAS_NETWORKS:
        return "no data, computed values"
    if dataset in TEST_SAMPLES:
        return f"an even part of the {dataset} test split per client"
    if is_data_name(dataset):
        return f"{TEST_SHARE:.0%} held out of each client's own {dataset}"
    cut = DataCut.of({"partitioner": "iid", "seed": None, **config})
    return f"{TEST_SHARE:.0%} held out of each client's own partition of {dataset} ({cut.words if cut else 'IID'})"


def measured_on(config: Mapping[str, Any], phase: str) -> str:
    """Return the data behind the metrics of a phase of a run."""
    if phase == SERVER_PHASE:
        return f"the {config.get('dataset')} test split at the server"
    return evaluated_on(config) if phase == "evaluate" else "each client's training data"


def split_seed(config: Mapping[str, Any]) -> int | None:
    """Return the seed that decides which samples are evaluation data; None where no seed does."""
    if config["network"] not in KERAS_NETWORKS:
        return None
    seed = config.get("data_seed")
    return config.get("seed") if seed is None else seed
