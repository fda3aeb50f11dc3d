"""Replies of apps made of a ``client_fn``: what they say, in the records that Flower's own conversion makes."""

from typing import Any

import numpy as np
import pytest
from flwr.app import RecordDict
from flwr.common import Code, EvaluateRes, FitRes, Status, ndarrays_to_parameters
from flwr.compat.common.recorddict_compat import evaluateres_to_recorddict, fitres_to_recorddict

from federation.weights.legacy_content import FunctionMissing, legacy_answer


def fitted(*arrays: Any, code: Code = Code.OK, message: str = "") -> RecordDict:
    result = FitRes(Status(code, message), ndarrays_to_parameters(list(arrays)), 7, {"loss": 0.5, "device": "cpu"})
    return fitres_to_recorddict(result, keep_input=True)


def test_a_reply_has_the_names_of_the_task_for_its_arrays_and_all_metrics() -> None:
    arrays = np.ones((2, 2), "float32"), np.zeros(3)
    metrics, examples, record = legacy_answer("train", ["w", "b"], fitted(*arrays))
    assert (metrics, examples) == ({"loss": 0.5, "device": "cpu"}, 7) and record is not None
    assert [(name, one.numpy().tolist()) for name, one in record.items()] == [("w", [[1, 1], [1, 1]]), ("b", [0, 0, 0])]
    evaluated = evaluateres_to_recorddict(EvaluateRes(Status(Code.OK, ""), 0.25, 4, {"accuracy": 0.5}))
    assert legacy_answer("evaluate", ["w", "b"], evaluated) == ({"loss": 0.25, "accuracy": 0.5}, 4, None)


def test_a_reply_that_cannot_be_used_says_why() -> None:
    with pytest.raises(ValueError, match="fit returned 1 arrays, the run needs 2"):
        legacy_answer("train", ["w", "b"], fitted(np.zeros(3)))
    with pytest.raises(ValueError, match="fit returned 0 arrays, the run needs 1"):
        legacy_answer("train", ["w"], fitted())
    with pytest.raises(ValueError, match="no patients"):
        legacy_answer(
            "train", ["w"], fitted(np.zeros(3), code=Code.GET_PARAMETERS_NOT_IMPLEMENTED, message="no patients")
        )
    with pytest.raises(ValueError, match=r"the reply has no fitres\.status"):
        legacy_answer("train", ["w"], RecordDict())
    with pytest.raises(FunctionMissing, match="the app has no train function"):
        legacy_answer("train", ["w"], fitted(np.zeros(3), code=Code.FIT_NOT_IMPLEMENTED))
