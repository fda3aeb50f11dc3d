"""Evaluates weights on the test split of a published data set: ``python -m federation.learning.evaluation_process``.

The server's child process. Each request is a line of JSON with the weights behind it, each answer a line of JSON; the
process ends with its standard input. Its niceness lets rounds under way go first.
"""

import json
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import IO, Any

import numpy as np

from federation.learning.data import datasets
from federation.learning.data.formats import Samples
from federation.learning.training.metrics import class_metrics, confusion, wants_all_metrics
from federation.learning.training.trainer import Training, trainer_for
from federation.run.networks import Dataset
from federation.weights.layout import Layout
from federation.weights.records import record_of

NICENESS = 10


@lru_cache(maxsize=1)
def test_split(dataset: Dataset) -> Samples:
    """Return the published test split, float32 images scaled to 0..1; raises DataNotFound where there is none."""
    data = datasets.load(dataset)
    if data.test is None:
        raise datasets.DataNotFound(f"{dataset} has no test split.")
    return data.test.subset(np.arange(len(data.test)), data.scale)


def evaluate(request: Mapping[str, Any], weights: bytes) -> dict[str, Any]:
    """Return loss, accuracy and confusion matrix of the weights, and over how many samples; or why there are none."""
    try:
        config = request["config"]
        samples, trainer = test_split(config["dataset"]), trainer_for(Training.of(config))
        layout = Layout.from_json(request["layout"])
        entries = zip(layout.entries, layout.unpack(weights), strict=True)
        trainer.load(record_of((entry.name, array) for entry, array in entries))
        metrics, outputs = trainer.evaluate_outputs(samples)
        found = {**metrics, **(class_metrics(samples.labels, outputs) if wants_all_metrics(config) else {})}
        return {"metrics": found, "samples": len(samples), "confusion": confusion(samples.labels, outputs).tolist()}
    except Exception as error:  # whatever Keras raises is the answer to this request; the next one may succeed
        return {"error": str(error) or type(error).__name__}


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until their end."""
    for line in requests:
        request = json.loads(line)
        weights = requests.read(request["bytes"])
        answers.write(json.dumps(evaluate(request, weights)).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Serve standard input and output; what libraries print goes to standard error."""
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
