"""The configuration of a run: types, limits, defaults and labels. Imports neither Flower nor TensorFlow."""

import secrets
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from federation.run.metric_goals import MetricGoals, names_of
from federation.run.options import Group, Shown
from federation.run.strategies import STRATEGIES, clients_needed, with_defaults

MAX_ROUNDS, MAX_CLIENTS = 100_000, 10_000
MAX_EXAMPLES = 10_000_000
"""The largest num_examples that is accepted in a reply."""

Network = Literal["mlp", "cnn", "mobilenet_v2", "resnet50", "synthetic", "custom"]
NETWORKS: dict[str, str] = {
    "mlp": "Dense 128", "cnn": "Small CNN", "mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50",
    "synthetic": "Synthetic", "custom": "Own model",
}  # fmt: skip
KERAS_NETWORKS: Final = ("mlp", "cnn", "mobilenet_v2", "resnet50")
"""Networks that Meadow builds with Keras; of the others it has no code for a .keras file."""

Dataset = Literal["digits", "mnist", "fashion_mnist", "cifar10", "synthetic"]
DemoDataset = Literal["digits", "synthetic"]
"""Data sets that need neither a download nor a file: a demo client can hold them on any machine."""

Partitioner = Literal["iid", "dirichlet"]
PARTITIONERS = {"iid": "IID", "dirichlet": "Dirichlet (non-IID)"}
Optimizer = Literal["adam", "sgd"]
Loss = Literal["sparse_categorical_crossentropy", "categorical_crossentropy", "kl_divergence"]
LOSSES = {
    "sparse_categorical_crossentropy": "Sparse categorical", "categorical_crossentropy": "Categorical",
    "kl_divergence": "KL divergence",
}  # fmt: skip
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


def needs_dataset(network: str) -> bool:
    """Say whether a client must hold the run's data set to train this network.

    Synthetic work needs no data, and the app of a custom network brings its own.
    """
    return network in KERAS_NETWORKS


class RunConfig(BaseModel):
    """The configuration of a run. Every default works: three rounds over two clients that hold digits.

    A new option is a field here, with a ``Shown`` where people choose it; form and pages follow. Fields stand in the
    order of the form; a validator sees only the fields above its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_strip_whitespace=True)

    network: Annotated[
        Network, Shown("Network", Group.MODEL, choices=NETWORKS, api_only=("custom",), quick=True)
    ] = Field("mlp", description="The Keras model; synthetic needs neither TensorFlow nor data.")  # fmt: skip
    dataset: Annotated[Dataset, Shown("Dataset", Group.MODEL, quick=True)] = Field(
        "digits", description="Only clients that hold it are eligible."
    )
    name: Annotated[str, Shown("Run name", Group.MODEL, empty="dataset and network")] = Field(
        "", max_length=100, description="Name of the run in lists."
    )
    partitioner: Annotated[Partitioner, Shown("Data partitioning", Group.MODEL, choices=PARTITIONERS)] = Field(
        "iid", description="How the dataset is cut into the clients' partitions."
    )
    dirichlet_alpha: Annotated[float, Shown("Dirichlet α", Group.MODEL, when=("partitioner", "dirichlet"))] = Field(
        0.5, gt=0, le=1000, description="0.1 is extremely skewed, 100 close to IID."
    )
    synthetic_parameters: Annotated[
        int, Shown("Synthetic parameters", Group.MODEL, when=("network", "synthetic"))
    ] = Field(1000, ge=1, le=50_000_000, description="Size of the synthetic network.")  # fmt: skip
    synthetic_seconds: Annotated[
        float, Shown("Synthetic training time", Group.MODEL, unit="seconds", when=("network", "synthetic"))
    ] = Field(0.0, ge=0, le=3600, description="How long a client trains the synthetic network.")
    initial_weights: Annotated[str | None, Shown("Uploaded weights", Group.MODEL, when=("network", "custom"))] = Field(
        None, pattern=r"^[0-9a-f]{64}$", validate_default=True,
        description="Network custom starts from them: the id that POST /api/weights returned.",
    )  # fmt: skip

    strategy: Annotated[StrategyName, Shown("Strategy", Group.TRAINING, notes=STRATEGY_NOTES)] = Field(
        "FedAvg", description="The Flower strategy that aggregates the updates."
    )
    strategy_options: dict[str, float] = Field(
        default_factory=dict, max_length=20, description="Options of the strategy; defaults where missing."
    )
    app_config: dict[AppKey, AppValue] = Field(
        default_factory=dict,
        max_length=100,
        description="For your own ClientApp, which reads it from context.run_config.",
    )
    num_rounds: Annotated[int, Shown("Rounds", Group.TRAINING, quick=True)] = Field(
        3, ge=1, le=MAX_ROUNDS, description="Rounds to complete; round 0 is not counted."
    )
    local_epochs: Annotated[int, Shown("Local epochs", Group.TRAINING)] = Field(
        1, ge=1, le=1000, description="Passes over a client's data per round."
    )
    learning_rate: Annotated[float, Shown("Learning rate", Group.TRAINING)] = Field(
        0.003, gt=0, le=100, description="Of the client's optimizer."
    )

    min_clients: Annotated[int, Shown("Minimum clients per round", Group.CLIENTS, quick=True)] = Field(
        2, ge=1, le=MAX_CLIENTS, validate_default=True,
        description="The run waits below this number; a round needs as many accepted updates.",
    )  # fmt: skip
    fraction_train: Annotated[float, Shown("Clients sampled per round", Group.CLIENTS, unit="percent")] = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the eligible clients that trains, rounded down; sampled at random each round.",
    )
    clients: Annotated[list[ClientId] | None, Shown("Clients", Group.CLIENTS, empty="all with this dataset")] = Field(
        None, max_length=MAX_CLIENTS, description="Ids of the clients that may take part; null: all."
    )

    batch_size: Annotated[int, Shown("Batch size", Group.ADVANCED)] = Field(
        32, ge=1, le=65_536, description="Samples per training step."
    )
    optimizer: Annotated[Optimizer, Shown("Optimizer", Group.ADVANCED)] = Field(
        "adam", description="The client's optimizer, created anew each round."
    )
    loss: Annotated[Loss, Shown("Loss", Group.ADVANCED, choices=LOSSES)] = Field(
        "sparse_categorical_crossentropy", description="The loss function of training."
    )
    steps_per_epoch: Annotated[int | None, Shown("Steps per epoch", Group.ADVANCED, empty="whole epoch")] = Field(
        None, ge=1, le=1_000_000, description="Batches per epoch."
    )
    round_timeout_seconds: Annotated[float, Shown("Round timeout", Group.ADVANCED, unit="seconds")] = Field(
        600, gt=0, le=86_400, description="Later updates are not aggregated."
    )
    quorum_timeout_seconds: Annotated[float, Shown("Client wait timeout", Group.ADVANCED, unit="seconds")] = Field(
        600, gt=0, le=604_800, description="How long the run waits for clients before it fails."
    )
    norm_rule: Annotated[NormRule, Shown("Update norm check", Group.ADVANCED, choices=NORM_RULES)] = Field(
        "off", description="For updates far above the round's median norm, from three updates on."
    )
    norm_limit: Annotated[
        float, Shown("Norm threshold (× median)", Group.ADVANCED, when=("norm_rule", "clip", "reject"))
    ] = Field(3.0, gt=1, le=1e6, description="The largest norm of an update that passes the check.")
    max_weight_share: Annotated[
        float | None, Shown("Maximum weight per client", Group.ADVANCED, unit="percent", empty="no limit")
    ] = Field(None, gt=0, le=1, description="Largest share of a round's samples that one client counts for.")
    seed: Annotated[int, Shown("Seed", Group.ADVANCED, empty="random")] = Field(
        default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**31,
        description="For weights, partitions, shuffling and client sampling.",
    )  # fmt: skip
    data_seed: Annotated[int | None, Shown("Data seed", Group.ADVANCED, empty="the run's seed")] = Field(
        None, ge=0, lt=2**31, description="For partitions alone: runs with other seeds then train on the same split."
    )

    minimize_metrics: Annotated[str, Shown("Metrics to minimize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; loss, error, mae and the like are known.")
    )
    maximize_metrics: Annotated[str, Shown("Metrics to maximize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; of any other metric no round is called the best.")
    )

    @field_validator("dataset", mode="after")
    @classmethod
    def _dataset_fits_the_network(cls, dataset: str, info: ValidationInfo) -> str:
        if dataset == "synthetic" and info.data.get("network") not in (None, "synthetic"):
            raise ValueError(f"synthetic data cannot train the network {info.data['network']}; use network synthetic")
        return dataset

    @field_validator("initial_weights", mode="after")
    @classmethod
    def _only_custom_has_weights(cls, initial_weights: str | None, info: ValidationInfo) -> str | None:
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
            with_defaults(info.data["strategy"], options, 0.1)
        return options

    @field_validator("maximize_metrics", mode="after")
    @classmethod
    def _one_goal_for_a_metric(cls, maximize: str, info: ValidationInfo) -> str:
        if both := names_of(maximize) & names_of(info.data.get("minimize_metrics")):
            raise ValueError(f"{min(both)} is to be minimized as well; choose one")
        return maximize

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
        """All options of the strategy, with their defaults."""
        return with_defaults(self.strategy, self.strategy_options, self.learning_rate)

    @property
    def clients_needed(self) -> int:
        """The minimum number of clients that the strategy needs."""
        return clients_needed(self.strategy, self.strategy_options)

    @property
    def metric_goals(self) -> MetricGoals:
        """Which values of a metric are better, as far as it is known."""
        return MetricGoals(names_of(self.minimize_metrics), names_of(self.maximize_metrics))

    @property
    def demo_dataset(self) -> DemoDataset | None:
        """The dataset that makes a demo client eligible; None if no demo client is eligible."""
        if self.clients is not None or self.network == "custom":
            return None
        if self.network == "synthetic":
            return "synthetic"
        return "digits" if self.dataset == "digits" else None

    @property
    def title(self) -> str:
        """The name that a person gave, else dataset and network."""
        return self.name or f"{self.dataset}, {self.network}"
