"""The values that options of a run may have, with their words; networks and data sets have a module of their own."""

from typing import Annotated, Any, Literal

from pydantic import Field

from federation.run.strategies import STRATEGIES
from federation.schema.spec import Target

MAX_ROUNDS, MAX_CLIENTS = 100_000, 10_000

Partitioner = Literal["iid", "dirichlet", "classes", "quantity"]
PARTITIONERS = {
    "iid": "IID", "dirichlet": "Dirichlet (non-IID)", "classes": "Classes per client (#C = k)",
    "quantity": "Quantity skew (Dirichlet)",
}  # fmt: skip
Optimizer = Literal[
    "adam", "sgd", "adamw", "rmsprop", "adagrad", "adadelta", "adafactor", "adamax", "nadam", "ftrl", "lamb", "lion",
    "muon",
]  # fmt: skip
OPTIMIZERS = {
    "adam": "Adam", "sgd": "SGD", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adadelta": "Adadelta",
    "adafactor": "Adafactor", "adamax": "Adamax", "nadam": "Nadam", "ftrl": "Ftrl", "lamb": "Lamb", "lion": "Lion",
    "muon": "Muon",
}  # fmt: skip
"""Keras's optimizers by the name of their class, without ScheduleFreeAdamW, whose weights between two steps are not
those to send, and without those that only wrap others."""
WITH_MOMENTUM = ("sgd", "rmsprop")
ACTIVATIONS = {
    "relu": "ReLU", "elu": "ELU", "gelu": "GELU", "selu": "SELU", "silu": "SiLU", "tanh": "tanh", "sigmoid": "Sigmoid",
}  # fmt: skip
Loss = Literal[
    "auto", "sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence", "binary_crossentropy",
    "mean_squared_error", "mean_absolute_error", "huber",
]  # fmt: skip
LOSSES = {
    "auto": "That of the target", "sparse_categorical_crossentropy": "Sparse categorical cross-entropy",
    "categorical_crossentropy": "Categorical cross-entropy", "kl_divergence": "KL divergence",
    "binary_crossentropy": "Binary cross-entropy", "mean_squared_error": "Mean squared error",
    "mean_absolute_error": "Mean absolute error", "huber": "Huber",
}  # fmt: skip
LOSSES_OF: dict[Target, tuple[Loss, ...]] = {
    "classes": ("sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"),
    "binary": (
        "sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence", "binary_crossentropy",
    ),
    "number": ("mean_squared_error", "mean_absolute_error", "huber"),
}  # fmt: skip
"""The losses that fit a target; ``auto`` is the first."""
TARGETS: dict[Target, str] = {"classes": "several classes", "binary": "two classes", "number": "a number"}
ClassWeights = Literal["off", "balanced"]
CLASS_WEIGHTS = {"off": "Off", "balanced": "Balanced"}
Diagnostics = Literal["off", "updates", "losses"]
DIAGNOSTICS = {
    "off": "Off", "updates": "Updates and fairness", "losses": "Updates, fairness, loss before and after training",
}  # fmt: skip
ClientMetrics = Literal["auto", "basic", "all"]
CLIENT_METRICS = {
    "auto": "All of the target for clients' own data and in evaluations", "basic": "Loss and accuracy",
    "all": "All of the target",
}  # fmt: skip
ServerEvaluation = Literal["off", "test_split"]
SERVER_EVALUATIONS = {"off": "Off", "test_split": "On the published test split"}
ClientEvaluation = Literal["on", "off"]
CLIENT_EVALUATIONS = {"on": "On", "off": "Off"}
NormRule = Literal["off", "clip", "reject"]
NORM_RULES = {"off": "Off", "clip": "Clip", "reject": "Reject"}
StrategyName = Literal[
    "FedAvg", "FedProx", "FedAvgM", "FedAdagrad", "FedAdam", "FedYogi",
    "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan", "QFedAvg",
]  # fmt: skip
STRATEGY_NOTES = {name: strategy.words for name, strategy in STRATEGIES.items()}

AppKey = Annotated[str, Field(min_length=1, max_length=100)]
AppNumber = Annotated[int, Field(gt=-(2**53), lt=2**53)] | Annotated[float, Field(allow_inf_nan=False)]
AppValue = bool | AppNumber | Annotated[str, Field(max_length=1000)]

ClientId = Annotated[int, Field(ge=1, lt=2**53)]

MAX_ENTRIES = 200
"""Of an object that people send: before it is validated, for each of its entries could become an error."""


def refuse_many_entries(value: Any) -> Any:
    """Return a value; raises ValueError if it is an object, or holds one, with more entries than any object needs."""
    held = value.values() if isinstance(value, dict) else ()
    if any(isinstance(one, dict) and len(one) > MAX_ENTRIES for one in (value, *held)):
        raise ValueError(f"has more than {MAX_ENTRIES:,} entries")
    return value


def loss_for(loss: str, target: Target) -> str:
    """Return Keras' name of the loss of a run whose target is of that kind; raises ValueError for one that is unfit.

    Binary cross-entropy of two probabilities that add up to 1 is their cross-entropy. (Keras's function of that name
    reads the logits of a softmax as those of sigmoids, and returns another number.)
    """
    fit = LOSSES_OF[target]
    if loss != "auto" and loss not in fit:
        raise ValueError(f"the loss {loss} does not fit a target of {TARGETS[target]}: choose auto, {', '.join(fit)}")
    return fit[0] if loss in ("auto", "binary_crossentropy") else loss
