"""Work that needs no data and no TensorFlow: one array, for benchmarks, tests and demonstrations.

A task takes as long as the run's config says, and changes the array by one seeded number in each round.
"""

import math
import time
from typing import Any
from zlib import crc32

import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict

from federation.progress import report_progress
from federation.weights.layout import Entry, Layout
from federation.weights.records import record_of, values_of

EXAMPLES = 10
FIRST_LOSS = 2.3
STEP_SECONDS = 0.05
"""Longest sleep between two reports, each of which ends a cancelled task."""


class SyntheticLearner:
    """Performs the tasks of network ``synthetic`` on a client with any data set."""

    def __init__(self, partition: int, *, holds_data: bool = False) -> None:
        self._partition, self._holds_data = partition, holds_data

    def prepare(self, config: dict[str, Any]) -> dict[str, Any]:
        """Describe the one array. A client that holds a data set reports no samples here: this work uses none of it."""
        layout = Layout((Entry("w", (int(config["synthetic_parameters"]),), "float32"),)).to_json()
        return {"layout": layout} | ({} if self._holds_data else {"samples": {"train": EXAMPLES, "test": EXAMPLES}})

    def train(self, weights: ArrayRecord, config: dict[str, Any], _: RecordDict) -> RecordDict:
        """Add one seeded number to the whole array, after ``synthetic_seconds``."""
        _spend(config.get("synthetic_seconds", 0.0), _loss(config))
        metrics = _metrics(config)
        if config.get("strategy") == "QFedAvg":
            metrics["train_loss"] = metrics["loss"]
        step = _step(f"{config['seed']} {config.get('server-round', 0)} {self._partition}")
        moved = record_of((name, values_of(array) + step) for name, array in weights.items())
        return RecordDict({"arrays": moved, "metrics": metrics})

    def evaluate(self, weights: ArrayRecord, config: dict[str, Any], _: RecordDict) -> RecordDict:
        """Return the metrics that belong to the round."""
        report_progress(1, 1, _loss(config))
        return RecordDict({"metrics": _metrics(config)})


def _step(seed: str) -> np.float32:
    """Draw from -0.01 to 0.01 by a checksum: seeding numpy's generator takes longer than the rest of a small task."""
    return np.float32((crc32(seed.encode()) / 2**32 - 0.5) * 0.02)


def _metrics(config: dict[str, Any]) -> MetricRecord:
    loss = _loss(config)
    return MetricRecord({"num-examples": EXAMPLES, "loss": loss, "accuracy": 1 - 0.9 * loss / FIRST_LOSS})


def _loss(config: dict[str, Any]) -> float:
    """Return a loss that falls a little with every round and never reaches zero."""
    return FIRST_LOSS / (1 + 0.1 * float(config.get("server-round", 0)))


def _spend(seconds: float, loss: float) -> None:
    """Sleep in steps and report each; raises TaskCancelled as soon as a report does."""
    begin, batches = time.monotonic(), max(1, math.ceil(seconds / STEP_SECONDS))
    for batch in range(1, batches + 1):
        time.sleep(max(0.0, begin + seconds * batch / batches - time.monotonic()))
        report_progress(batch, batches, loss)
