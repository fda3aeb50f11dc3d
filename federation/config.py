"""What a run is asked to do, and the limits of each answer. Names only: nothing here imports Flower or TensorFlow."""

import secrets
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_EXAMPLES = 10_000_000
"""Largest num_examples a reply may claim."""

Network = Literal["mlp", "cnn", "mobilenet_v2", "resnet50", "synthetic"]
Dataset = Literal["digits", "mnist", "fashion_mnist", "cifar10", "synthetic"]
Partitioner = Literal["iid", "dirichlet"]
Optimizer = Literal["adam", "sgd"]
Loss = Literal["sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"]
StrategyName = Literal["FedAvg"]

ClientName = Annotated[str, Field(min_length=1, max_length=64)]


class RunConfig(BaseModel):
    """One federation job. Every default works: three rounds over two clients that hold digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)

    name: str = Field("", max_length=100, description="What people call the run; empty takes dataset and network.")
    network: Network = Field("mlp", description="The Keras model that is trained; synthetic needs no TensorFlow.")
    dataset: Dataset = Field("digits", description="What each client must hold to take part.")
    partitioner: Partitioner = Field("iid", description="How a shared dataset is cut into the clients' parts.")
    dirichlet_alpha: float = Field(0.5, gt=0, le=1000, description="Skew of the dirichlet partitioner; small is skewed.")
    strategy: StrategyName = Field("FedAvg", description="Flower's rule that turns replies into the next weights.")
    num_rounds: int = Field(3, ge=1, le=100_000, description="Rounds to commit; round 0 is not counted.")
    min_clients: int = Field(2, ge=1, le=10_000, description="Fewest accepted replies for a round to count.")
    fraction_train: float = Field(1.0, gt=0, le=1, description="Share of the eligible clients that trains a round.")
    local_epochs: int = Field(1, ge=1, le=1000, description="Passes over a client's data in one round.")
    steps_per_epoch: int | None = Field(None, ge=1, le=1_000_000, description="Batches an epoch; empty is all of them.")
    batch_size: int = Field(32, ge=1, le=65_536, description="Samples a step.")
    learning_rate: float = Field(0.003, gt=0, le=100, description="Of the client's optimizer.")
    optimizer: Optimizer = Field("adam", description="The client's optimizer, made anew each round.")
    loss: Loss = Field("sparse_categorical_crossentropy", description="What training makes small.")
    round_timeout_seconds: float = Field(600, gt=0, le=86_400, description="A reply later than this is left out.")
    quorum_timeout_seconds: float = Field(600, gt=0, le=604_800, description="How long to wait for min_clients.")
    clients: list[ClientName] | None = Field(None, max_length=10_000, description="Names that may take part; empty: all.")
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**31,
                      description="Of weights, partitions, shuffles and sampling; empty draws one.")  # fmt: skip
    synthetic_parameters: int = Field(1000, ge=1, le=50_000_000, description="Size of the synthetic network.")
    synthetic_seconds: float = Field(0.0, ge=0, le=3600, description="How long synthetic training takes.")

    @model_validator(mode="after")
    def _synthetic_goes_together(self) -> Self:
        if (self.network == "synthetic") != (self.dataset == "synthetic"):
            raise ValueError("network synthetic and dataset synthetic go together")
        return self

    @property
    def title(self) -> str:
        """The name a person gave, or one made of dataset and network."""
        return self.name or f"{self.dataset}, {self.network}"
