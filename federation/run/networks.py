"""The networks that a run may train, the data sets, and which of them belong together."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from federation.schema.columns import DATA_NAME_PATTERN, MAX_DATA_NAME_CHARACTERS

Network = Literal["mlp", "cnn", "lenet", "mobilenet_v2", "resnet50", "synthetic", "custom"]
NETWORKS: dict[str, str] = {
    "mlp": "Dense 128", "cnn": "Small CNN", "lenet": "LeNet-5", "mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50",
    "synthetic": "Synthetic", "custom": "Own model",
}  # fmt: skip
KERAS_NETWORKS: Final = ("mlp", "cnn", "lenet", "mobilenet_v2", "resnet50")
"""Networks that Meadow builds with Keras; of the others it has no code for a .keras file."""

Dataset = Literal["digits", "mnist", "fashion_mnist", "cifar10", "synthetic"]
PUBLISHED: Final = ("digits", "mnist", "fashion_mnist", "cifar10")
"""Data sets that Meadow knows, which a run cuts into partitions; other names are those of clients' own data."""
TEST_SPLITS: Final = ("mnist", "fashion_mnist", "cifar10")
"""Data sets with a published test split, on which the server can evaluate Keras networks."""
DemoDataset = Literal["digits", "synthetic"]
"""Data sets that need neither a download nor a file: a simulated client can hold them on any machine."""

OWN_DATA: Final = "own data"


def data_of(network: str, dataset: str) -> str:
    """Return what a run trains on: the data set, nothing real (synthetic), or what the clients' own app brings."""
    return OWN_DATA if network == "custom" else dataset if network in KERAS_NETWORKS else "synthetic"


def needs_dataset(network: str) -> bool:
    """Say whether a client must hold the run's data set to train this network.

    Synthetic work needs no data, and the app of a custom network brings its own.
    """
    return network in KERAS_NETWORKS


def is_data_name(dataset: object) -> bool:
    """Say whether a text can be the name of clients' own data."""
    return (
        isinstance(dataset, str) and len(dataset) <= MAX_DATA_NAME_CHARACTERS and dataset not in get_args(Dataset)
        and re.fullmatch(DATA_NAME_PATTERN, dataset) is not None
    )  # fmt: skip


def trains_own_data(network: str, dataset: object) -> bool:
    """Say whether a run trains a network of Meadow on clients' own data, by a schema that the clients agree on."""
    return needs_dataset(network) and is_data_name(dataset)


def has_test_split(network: str, dataset: str) -> bool:
    """Say whether the server can evaluate the run's network on a published test split."""
    return network in KERAS_NETWORKS and dataset in TEST_SPLITS


MAX_LAYERS, MAX_LAYER_SIZE = 8, 16_384
LayerSizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=MAX_LAYER_SIZE)], ...], Field(min_length=1, max_length=MAX_LAYERS)
]


def read_layer_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes in a text such as ``128, 64``; raises ValueError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_LAYERS:
        raise ValueError(f"{len(parts):,} layers, at most {MAX_LAYERS} are possible")
    for part in parts:
        if not (part.isascii() and part.isdecimal() and len(part) < 9 and 1 <= int(part) <= MAX_LAYER_SIZE):
            numbers = f"whole numbers from 1 to {MAX_LAYER_SIZE:,}, separated by commas"
            raise ValueError(f"“{part[:40]}” is no size of a layer: give {numbers}")
    return tuple(map(int, parts))


Activation = Literal["relu", "elu", "gelu", "selu", "silu", "tanh", "sigmoid"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NetworkSettings:
    """``hidden`` are the units of the hidden layers of network mlp, ``filters`` those of the convolutions of cnn.

    ``dropout`` and ``activation`` are for both.
    """

    hidden: LayerSizes = (128,)
    filters: LayerSizes = (32, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    activation: Activation = "relu"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the settings in a config; what it does not hold has its default."""
        given: dict[str, Any] = {name: config[name] for name in ("dropout", "activation") if name in config}
        sizes = {"hidden": "hidden_units", "filters": "filters"}
        given |= {name: read_layer_sizes(config[field]) for name, field in sizes.items() if field in config}
        return cls(**given)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; raises ValueError."""
        return TypeAdapter(cls).validate_json(text)

    def to_json(self) -> str:
        """Return the settings as a JSON object; equal settings give the same text."""
        return TypeAdapter(type(self)).dump_json(self).decode()


DEFAULT_SETTINGS: Final = NetworkSettings()
