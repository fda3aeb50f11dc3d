"""The networks that a run may train, the data sets, and which of them belong together."""

from typing import Final, Literal

Network = Literal["mlp", "cnn", "lenet", "mobilenet_v2", "resnet50", "synthetic", "custom"]
NETWORKS: dict[str, str] = {
    "mlp": "Dense 128", "cnn": "Small CNN", "lenet": "LeNet-5", "mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50",
    "synthetic": "Synthetic", "custom": "Own model",
}  # fmt: skip
KERAS_NETWORKS: Final = ("mlp", "cnn", "lenet", "mobilenet_v2", "resnet50")
"""Networks that Meadow builds with Keras; of the others it has no code for a .keras file."""

Dataset = Literal["digits", "mnist", "fashion_mnist", "cifar10", "synthetic"]
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


def has_test_split(network: str, dataset: str) -> bool:
    """Say whether the server can evaluate the run's network on a published test split."""
    return network in KERAS_NETWORKS and dataset in TEST_SPLITS
