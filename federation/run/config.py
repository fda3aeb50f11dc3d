"""What a run is asked to do, and the limits of each answer. Names only: nothing here imports Flower or TensorFlow."""

import secrets
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from federation.run.strategies import clients_needed, complete

MAX_EXAMPLES = 10_000_000
"""Largest num_examples a reply may claim."""

Network = Literal["mlp", "cnn", "mobilenet_v2", "resnet50", "synthetic", "custom"]
KERAS_NETWORKS: Final = ("mlp", "cnn", "mobilenet_v2", "resnet50")
"""Networks that Meadow builds with Keras; of the others it has no code for a .keras file."""

NormRule = Literal["off", "clip", "reject"]
Dataset = Literal["digits", "mnist", "fashion_mnist", "cifar10", "synthetic"]
DemoDataset = Literal["digits", "synthetic"]
"""What needs neither a download nor a file: a demo client can hold it anywhere."""

Partitioner = Literal["iid", "dirichlet"]
Optimizer = Literal["adam", "sgd"]
Loss = Literal["sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"]
StrategyName = Literal[
    "FedAvg", "FedProx", "FedAvgM", "FedAdagrad", "FedAdam", "FedYogi",
    "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan", "QFedAvg",
]  # fmt: skip

ClientName = Annotated[str, Field(min_length=1, max_length=64)]


def needs_dataset(network: str) -> bool:
    """Say whether a client must hold the run's data set to train this network.

    Synthetic work needs no data, and the app of a custom network brings its own.
    """
    return network in KERAS_NETWORKS


class RunConfig(BaseModel):
    """One federation job. Every default works: three rounds over two clients that hold digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_strip_whitespace=True)

    name: str = Field("", max_length=100, description="What people call the run; empty takes dataset and network.")
    network: Network = Field(
        "mlp", description="The Keras model that is trained; synthetic needs neither TensorFlow nor data."
    )
    dataset: Dataset = Field("digits", description="What each client must hold to take part.")
    partitioner: Partitioner = Field("iid", description="How a shared dataset is cut into the clients' parts.")
    dirichlet_alpha: float = Field(
        0.5, gt=0, le=1000, description="Skew of the dirichlet partitioner; small is skewed."
    )
    strategy: StrategyName = Field("FedAvg", description="Flower's rule that turns replies into the next weights.")
    strategy_options: dict[str, float] = Field(
        default_factory=dict, max_length=20, description="Numbers the strategy takes; Flower's defaults where missing."
    )
    num_rounds: int = Field(3, ge=1, le=100_000, description="Rounds to commit; round 0 is not counted.")
    min_clients: int = Field(
        2, ge=1, le=10_000, validate_default=True, description="Fewest accepted replies for a round to count."
    )
    fraction_train: float = Field(1.0, gt=0, le=1, description="Share of the eligible clients that trains a round.")
    local_epochs: int = Field(1, ge=1, le=1000, description="Passes over a client's data in one round.")
    steps_per_epoch: int | None = Field(None, ge=1, le=1_000_000, description="Batches an epoch; empty is all of them.")
    batch_size: int = Field(32, ge=1, le=65_536, description="Samples a step.")
    learning_rate: float = Field(0.003, gt=0, le=100, description="Of the client's optimizer.")
    optimizer: Optimizer = Field("adam", description="The client's optimizer, made anew each round.")
    loss: Loss = Field("sparse_categorical_crossentropy", description="What training makes small.")
    round_timeout_seconds: float = Field(600, gt=0, le=86_400, description="A reply later than this is left out.")
    quorum_timeout_seconds: float = Field(600, gt=0, le=604_800, description="How long to wait for min_clients.")
    clients: list[ClientName] | None = Field(
        None, max_length=10_000, description="Names that may take part; empty: all."
    )
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**31,
                      description="Of weights, partitions, shuffles and sampling; empty draws one.")  # fmt: skip
    norm_rule: NormRule = Field("off", description="What happens to an update far longer than the round's median.")
    norm_limit: float = Field(3.0, gt=1, le=1e6, description="How many times the median norm an update may have.")
    max_weight_share: float | None = Field(
        None, gt=0, le=1, description="Largest share of a round's samples that one client counts for; empty: no limit."
    )
    initial_weights: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        validate_default=True,
        description="Uploaded weights that network custom starts from.",
    )
    synthetic_parameters: int = Field(1000, ge=1, le=50_000_000, description="Size of the synthetic network.")
    synthetic_seconds: float = Field(0.0, ge=0, le=3600, description="How long synthetic training takes.")

    @field_validator("dataset", mode="after")
    @classmethod
    def _has_something_to_learn(cls, dataset: str, info: ValidationInfo) -> str:
        if dataset == "synthetic" and info.data.get("network") not in (None, "synthetic"):
            raise ValueError(
                f"there is nothing in it to learn for {info.data['network']}; only network synthetic takes it"
            )
        return dataset

    @field_validator("initial_weights", mode="after")
    @classmethod
    def _custom_has_weights(cls, initial_weights: str | None, info: ValidationInfo) -> str | None:
        custom = info.data.get("network") == "custom"
        if custom and initial_weights is None:
            raise ValueError("network custom starts from uploaded weights: POST an .npz to /api/weights first")
        if not custom and initial_weights is not None:
            raise ValueError("only network custom starts from uploaded weights")
        return initial_weights

    @field_validator("strategy_options", mode="after")
    @classmethod
    def _options_fit(cls, options: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if "strategy" in info.data:
            complete(info.data["strategy"], options, 0.1)
        return options

    @field_validator("min_clients", mode="after")
    @classmethod
    def _enough_for_the_strategy(cls, min_clients: int, info: ValidationInfo) -> int:
        if "strategy" in info.data and "strategy_options" in info.data:
            strategy = info.data["strategy"]
            needed = clients_needed(strategy, info.data["strategy_options"])
            if min_clients < needed:
                raise ValueError(f"{strategy} with these options needs {needed} clients, min_clients is {min_clients}")
        return min_clients

    @property
    def full_strategy_options(self) -> dict[str, float]:
        """Every option of the strategy, Flower's defaults filled in."""
        return complete(self.strategy, self.strategy_options, self.learning_rate)

    @property
    def clients_needed(self) -> int:
        """The fewest clients that the strategy can do with."""
        return clients_needed(self.strategy, self.strategy_options)

    @property
    def demo_dataset(self) -> DemoDataset | None:
        """What a demo client must hold to take part; None where none would be asked."""
        if self.clients or self.network == "custom":
            return None
        if self.network == "synthetic":
            return "synthetic"
        return "digits" if self.dataset == "digits" else None

    @property
    def title(self) -> str:
        """The name a person gave, or one made of dataset and network."""
        return self.name or f"{self.dataset}, {self.network}"
