"""The values that options of a run may have, with their words; networks and data sets have a module of their own."""

from typing import Annotated, Any, Literal

from pydantic import Field

from federation.run.strategies import STRATEGIES

MAX_ROUNDS, MAX_CLIENTS = 100_000, 10_000

Partitioner = Literal["iid", "dirichlet", "classes", "quantity"]
PARTITIONERS = {
    "iid": "IID", "dirichlet": "Dirichlet (non-IID)", "classes": "Classes per client (#C = k)",
    "quantity": "Quantity skew (Dirichlet)",
}  # fmt: skip
Optimizer = Literal["adam", "sgd"]
Loss = Literal["sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"]
LOSSES = {
    "sparse_categorical_crossentropy": "Sparse categorical", "categorical_crossentropy": "Categorical",
    "kl_divergence": "KL divergence",
}  # fmt: skip
Diagnostics = Literal["off", "updates", "losses"]
DIAGNOSTICS = {
    "off": "Off", "updates": "Updates and fairness", "losses": "Updates, fairness, loss before and after training",
}  # fmt: skip
ServerEvaluation = Literal["off", "test_split"]
SERVER_EVALUATIONS = {"off": "Off", "test_split": "On the published test split"}
NormRule = Literal["off", "clip", "reject"]
NORM_RULES = {"off": "Off", "clip": "Clip", "reject": "Reject"}
StrategyName = Literal[
    "FedAvg", "FedProx", "FedAvgM", "FedAdagrad", "FedAdam", "FedYogi",
    "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan", "QFedAvg",
]  # fmt: skip
STRATEGY_NOTES = {name: strategy.words for name, strategy in STRATEGIES.items()}

AppKey = Annotated[str, Field(min_length=1, max_length=100)]
AppValue = bool | Annotated[int, Field(gt=-(2**53), lt=2**53)] | float | Annotated[str, Field(max_length=1000)]

ClientId = Annotated[int, Field(ge=1, lt=2**53)]

MAX_ENTRIES = 200
"""Of an object that people send: before it is validated, for each of its entries could become an error."""


def refuse_many_entries(value: Any) -> Any:
    """Return a value; raises ValueError if it is an object, or holds one, with more entries than any object needs."""
    held = value.values() if isinstance(value, dict) else ()
    if any(isinstance(one, dict) and len(one) > MAX_ENTRIES for one in (value, *held)):
        raise ValueError(f"has more than {MAX_ENTRIES:,} entries")
    return value
