"""What a run trains: network, data, and how the data are cut."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from federation.run.choices import MAX_ROUNDS, PARTITIONERS, Partitioner, refuse_many_entries
from federation.run.fields.kinds import KINDS, RunKind
from federation.run.networks import (
    APPLICATIONS,
    KERAS_NETWORKS,
    NETWORKS,
    PUBLISHED,
    STARTS_FROM_UPLOAD,
    Dataset,
    Network,
    is_data_name,
)
from federation.run.options import Group, Shown
from federation.schema.columns import DATA_NAME_PATTERN, MAX_DATA_NAME_CHARACTERS

KERAS = ("network", *KERAS_NETWORKS)
"""Options of the networks that Meadow builds apply with these."""
DATASETS = {name: name for name in get_args(Dataset)}
CUT = ("dataset", *PUBLISHED)
"""Options of the data sets that a run cuts apply with these."""
TRAINED = (*KERAS, "custom")
"""Options of every network but synthetic."""


class ModelFields(BaseModel):
    """Network and data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_strip_whitespace=True)

    kind: Annotated[RunKind, Shown("Kind", Group.MODEL, choices=KINDS)] = Field(
        "training", description="A run that evaluates measures existing weights once; statistics count clients' rows."
    )
    evaluated_run: Annotated[int | None, Shown("Evaluated run", Group.MODEL, empty="uploaded weights")] = Field(
        None, ge=1, lt=2**53, validate_default=True, description="Number of the run that trained the weights."
    )
    evaluated_round: Annotated[int | None, Shown("Evaluated round", Group.MODEL, empty="the last one")] = Field(
        None, ge=0, le=MAX_ROUNDS, description="One whose weights are still kept: the last ones and the best one."
    )
    network: Annotated[
        Network,
        Shown(
            "Network", Group.MODEL, choices=NETWORKS, not_quick=("custom", *APPLICATIONS), not_offered=("app",),
            quick=True,
        ),
    ] = Field(
        "mlp", description="A Keras model, or that of your app; synthetic needs neither TensorFlow nor data."
    )  # fmt: skip
    dataset: Annotated[
        str,
        Shown(
            "Dataset", Group.MODEL, choices=DATASETS, open=True, when=KERAS, or_when=("kind", "statistics"), quick=True
        ),
    ] = Field(
        "digits", json_schema_extra={"pattern": DATA_NAME_PATTERN, "maxLength": MAX_DATA_NAME_CHARACTERS},
        description="Published data, or the name of clients' own data. Only clients that hold it are eligible.",
    )  # fmt: skip
    name: Annotated[str, Shown("Run name", Group.MODEL, empty="dataset and network")] = Field(
        "", max_length=100, description="Name of the run in lists."
    )
    partitioner: Annotated[Partitioner, Shown("Data partitioning", Group.MODEL, choices=PARTITIONERS, when=CUT)] = (
        Field("iid", description="How the dataset is cut into the clients' partitions.")
    )
    dirichlet_alpha: Annotated[
        float, Shown("Dirichlet α", Group.MODEL, when=("partitioner", "dirichlet", "quantity"))
    ] = Field(0.5, gt=0, le=1000, description="0.1 is extremely skewed, 100 close to IID.")
    classes_per_client: Annotated[int, Shown("Classes per client", Group.MODEL, when=("partitioner", "classes"))] = (
        Field(2, ge=1, le=10, description="Number of classes in each client's partition.")
    )
    feature_noise: Annotated[float, Shown("Feature noise σ", Group.MODEL, when=CUT)] = Field(
        0.0, ge=0, le=10, description="Gaussian noise on images: client i of N has the standard deviation σ·i/N."
    )
    synthetic_parameters: Annotated[
        int, Shown("Synthetic parameters", Group.MODEL, when=("network", "synthetic"))
    ] = Field(1000, ge=1, le=50_000_000, description="Size of the synthetic network.")  # fmt: skip
    synthetic_seconds: Annotated[
        float, Shown("Synthetic training time", Group.MODEL, unit="seconds", when=("network", "synthetic"))
    ] = Field(0.0, ge=0, le=3600, description="How long a client trains the synthetic network.")
    initial_weights: Annotated[
        str | None,
        Shown(
            "Initial weights", Group.MODEL, when=("network", *STARTS_FROM_UPLOAD), upload=True,
            or_when=("kind", "evaluation"),
        ),
    ] = Field(
        None, pattern=r"^[0-9a-f]{64}$", validate_default=True,
        description="An .npz or .h5 of arrays in the order of the app or network; in the API, an id of /api/weights.",
    )  # fmt: skip
    node_app: Annotated[
        str, Shown("App on SuperNodes", Group.MODEL, choices={"": "none"}, open=True, when=("network", "custom"))
    ] = Field(
        "", pattern=r"^([0-9a-f]{64})?$",
        description="An approved Flower App, whose ClientApp SuperNodes run; in the API, the hash of the app.",
    )  # fmt: skip

    app: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", validate_default=True,
        description="With network app: the SHA-256 of the FAB of an approved Flower App, which brings its own loop.",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _has_few_entries(cls, config: Any) -> Any:
        return refuse_many_entries(config)

    @field_validator("evaluated_run", "evaluated_round", mode="after")
    @classmethod
    def _belongs_to_an_evaluation(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("kind") != "evaluation":
            raise ValueError("only a run of the kind evaluation evaluates another run")
        if value is not None and info.field_name == "evaluated_round" and info.data.get("evaluated_run") is None:
            raise ValueError("needs the number of the run")
        return value

    @field_validator("network", mode="after")
    @classmethod
    def _app_trains(cls, network: Network, info: ValidationInfo) -> Network:
        if network == "app" and info.data.get("kind") != "training":
            raise ValueError("a Flower App brings its own loop: it cannot only be evaluated")
        if info.data.get("kind") == "statistics" and network not in KERAS_NETWORKS:
            raise ValueError("a statistics run has no network")
        return network

    @field_validator("dataset", mode="after")
    @classmethod
    def _dataset_fits_the_network(cls, dataset: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "statistics" and dataset in DATASETS:
            raise ValueError("statistics are of clients' own data: give the name of such data")
        if dataset not in DATASETS and not is_data_name(dataset):
            characters = f"at most {MAX_DATA_NAME_CHARACTERS} letters, digits, dots, hyphens and underscores"
            raise ValueError(f"the name of data has {characters}, and begins with a letter or digit")
        if dataset == "synthetic" and info.data.get("network") not in (None, "synthetic"):
            raise ValueError(f"synthetic data cannot train the network {info.data['network']}; use network synthetic")
        return dataset

    @field_validator("app", mode="after")
    @classmethod
    def _network_app_has_an_app(cls, app: str | None, info: ValidationInfo) -> str | None:
        if "network" in info.data and (info.data["network"] == "app") != (app is not None):
            raise ValueError("network app and the hash of an app belong together")
        return app

    @field_validator("initial_weights", mode="after")
    @classmethod
    def _only_custom_has_weights(cls, initial_weights: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("kind") == "evaluation":
            if initial_weights is None and info.data.get("evaluated_run") is None:
                raise ValueError("choose what is evaluated: a run, or uploaded weights")
            return initial_weights
        custom = info.data.get("network") == "custom"
        if custom and initial_weights is None:
            raise ValueError(
                "network custom starts from uploaded weights: choose an .npz, or POST it to /api/weights first"
            )
        if initial_weights is not None and info.data.get("network") not in STARTS_FROM_UPLOAD:
            raise ValueError("only network custom and Keras applications start from uploaded weights")
        return initial_weights
