"""The configuration of a run: types, limits, defaults and labels. Imports neither Flower nor TensorFlow."""

import secrets
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from federation.run.choices import (
    LOSSES,
    NORM_RULES,
    PARTITIONERS,
    STRATEGY_NOTES,
    AppKey,
    AppValue,
    ClientId,
    Loss,
    NormRule,
    Optimizer,
    Partitioner,
    StrategyName,
    refuse_many_entries,
)  # fmt: skip
from federation.run.metric_goals import MetricGoals, names_of
from federation.run.networks import KERAS_NETWORKS, NETWORKS, Dataset, DemoDataset, Network, data_of
from federation.run.options import Group, Shown, applies
from federation.run.strategies import clients_needed, with_defaults

MAX_ROUNDS, MAX_CLIENTS = 100_000, 10_000
MAX_EXAMPLES = 10_000_000
"""The largest num_examples that is accepted in a reply."""

_KERAS = ("network", *KERAS_NETWORKS)
_TRAINED = (*_KERAS, "custom")


class RunConfig(BaseModel):
    """The configuration of a run. Every default works: three rounds over two clients that hold digits.

    A new option is a field here, with a ``Shown`` where people choose it; form and pages follow. Fields stand in the
    order of the form; a validator sees only the fields above its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_strip_whitespace=True)

    network: Annotated[
        Network, Shown("Network", Group.MODEL, choices=NETWORKS, not_quick=("custom",), quick=True)
    ] = Field(
        "mlp", description="A Keras model, or that of your app; synthetic needs neither TensorFlow nor data."
    )  # fmt: skip
    dataset: Annotated[Dataset, Shown("Dataset", Group.MODEL, when=_KERAS, quick=True)] = Field(
        "digits", description="Only clients that hold it are eligible."
    )
    name: Annotated[str, Shown("Run name", Group.MODEL, empty="dataset and network")] = Field(
        "", max_length=100, description="Name of the run in lists."
    )
    partitioner: Annotated[Partitioner, Shown("Data partitioning", Group.MODEL, choices=PARTITIONERS, when=_KERAS)] = (
        Field("iid", description="How the dataset is cut into the clients' partitions.")
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
    initial_weights: Annotated[
        str | None, Shown("Initial weights", Group.MODEL, when=("network", "custom"), upload=True)
    ] = Field(
        None, pattern=r"^[0-9a-f]{64}$", validate_default=True,
        description="An .npz of plain arrays, in the order of your app; in the API, the id from POST /api/weights.",
    )  # fmt: skip

    strategy: Annotated[StrategyName, Shown("Strategy", Group.TRAINING, notes=STRATEGY_NOTES)] = Field(
        "FedAvg", description="The Flower strategy that aggregates the updates."
    )
    strategy_options: dict[str, float] = Field(
        default_factory=dict, max_length=20, description="Options of the strategy; defaults where missing."
    )
    app_config: Annotated[
        dict[AppKey, AppValue], Shown("App options", Group.TRAINING, empty="none", when=("network", "custom"))
    ] = Field(
        default_factory=dict, max_length=100,
        description="For your own ClientApp, found in context.run_config and in the message's config; a JSON object.",
    )  # fmt: skip
    num_rounds: Annotated[int, Shown("Rounds", Group.TRAINING, quick=True)] = Field(
        3, ge=1, le=MAX_ROUNDS, description="Rounds to complete; round 0 is not counted."
    )
    local_epochs: Annotated[int, Shown("Local epochs", Group.TRAINING, when=_TRAINED)] = Field(
        1, ge=1, le=1000, description="Passes over a client's data per round."
    )
    learning_rate: Annotated[float, Shown("Learning rate", Group.TRAINING, when=_TRAINED)] = Field(
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

    batch_size: Annotated[int, Shown("Batch size", Group.ADVANCED, when=_KERAS)] = Field(
        32, ge=1, le=65_536, description="Samples per training step."
    )
    optimizer: Annotated[Optimizer, Shown("Optimizer", Group.ADVANCED, when=_KERAS)] = Field(
        "adam", description="The client's optimizer, created anew each round."
    )
    loss: Annotated[Loss, Shown("Loss", Group.ADVANCED, choices=LOSSES, when=_KERAS)] = Field(
        "sparse_categorical_crossentropy", description="The loss function of training."
    )
    steps_per_epoch: Annotated[
        int | None, Shown("Steps per epoch", Group.ADVANCED, empty="whole epoch", when=_KERAS)
    ] = Field(None, ge=1, le=1_000_000, description="Batches per epoch.")
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
    data_seed: Annotated[int | None, Shown("Data seed", Group.ADVANCED, empty="the run's seed", when=_KERAS)] = Field(
        None, ge=0, lt=2**31, description="For partitions alone: runs with other seeds then train on the same split."
    )

    minimize_metrics: Annotated[str, Shown("Metrics to minimize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; loss, error, mae and the like are known.")
    )
    maximize_metrics: Annotated[str, Shown("Metrics to maximize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; of any other metric no round is called the best.")
    )

    @model_validator(mode="before")
    @classmethod
    def _has_few_entries(cls, config: Any) -> Any:
        return refuse_many_entries(config)

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
            raise ValueError(
                "network custom starts from uploaded weights: choose an .npz, or POST it to /api/weights first"
            )
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
                needs = f"{strategy} with these options needs {needed:,} clients"
                raise ValueError(f"{needs}, min_clients is {min_clients:,}")
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
        """The name that a person gave, else data and network."""
        data = data_of(self.network, self.dataset)
        return self.name or ("Own model" if self.network == "custom" else f"{data}, {self.network}")

    @property
    def unused(self) -> set[str]:
        """The options of other networks: they are neither stored with the run nor sent to its clients."""
        values = {"network": self.network}
        return {name for name, one in SHOWN.items() if one.when[:1] == ("network",) and not applies(one, values, SHOWN)}

    def stored(self) -> dict[str, Any]:
        """Return the configuration as JSON, without the options of other networks."""
        return self.model_dump(mode="json", exclude=self.unused)


SHOWN: Final[dict[str, Shown]] = {
    name: one for name, info in RunConfig.model_fields.items() for one in info.metadata if isinstance(one, Shown)
}
"""What people see of each option, by its name."""
