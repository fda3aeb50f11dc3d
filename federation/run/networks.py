"""The networks that a run may train, the data sets, and which of them belong together."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

from federation.schema.columns import DATA_NAME_PATTERN, MAX_DATA_NAME_CHARACTERS

Network = Literal[
    "mlp", "cnn", "lenet", "mobilenet_v2", "resnet50", "synthetic", "custom", "app",
    "ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge", "DenseNet121", "DenseNet169",
    "DenseNet201", "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4",
    "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101",
    "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
]  # fmt: skip
Pixels = Literal["signed", "caffe", "torch", "bytes"]
"""How an application takes pixels: -1 to 1; 0 to 255, blue first, without ImageNet's mean; standardised by ImageNet's
mean and deviation; 0 to 255."""


class Application(NamedTuple):
    """A Keras application: height and width that it was made for, the least that it takes, how it takes pixels, and
    its size without a last layer, in parameters and in features."""

    side: int
    least: int
    pixels: Pixels
    parameters: int
    features: int


APPLICATIONS: Final[dict[str, Application]] = {
    "ConvNeXtTiny": Application(224, 32, "bytes", 27_820_128, 768),
    "ConvNeXtSmall": Application(224, 32, "bytes", 49_454_688, 768),
    "ConvNeXtBase": Application(224, 32, "bytes", 87_566_464, 1024),
    "ConvNeXtLarge": Application(224, 32, "bytes", 196_230_336, 1536),
    "ConvNeXtXLarge": Application(224, 32, "bytes", 348_147_968, 2048),
    "DenseNet121": Application(224, 32, "torch", 7_037_504, 1024),
    "DenseNet169": Application(224, 32, "torch", 12_642_880, 1664),
    "DenseNet201": Application(224, 32, "torch", 18_321_984, 1920),
    "EfficientNetB0": Application(224, 32, "bytes", 4_049_571, 1280),
    "EfficientNetB1": Application(240, 32, "bytes", 6_575_239, 1280),
    "EfficientNetB2": Application(260, 32, "bytes", 7_768_569, 1408),
    "EfficientNetB3": Application(300, 32, "bytes", 10_783_535, 1536),
    "EfficientNetB4": Application(380, 32, "bytes", 17_673_823, 1792),
    "EfficientNetB5": Application(456, 32, "bytes", 28_513_527, 2048),
    "EfficientNetB6": Application(528, 32, "bytes", 40_960_143, 2304),
    "EfficientNetB7": Application(600, 32, "bytes", 64_097_687, 2560),
    "EfficientNetV2B0": Application(224, 32, "bytes", 5_919_312, 1280),
    "EfficientNetV2B1": Application(240, 32, "bytes", 6_931_124, 1280),
    "EfficientNetV2B2": Application(260, 32, "bytes", 8_769_374, 1408),
    "EfficientNetV2B3": Application(300, 32, "bytes", 12_930_622, 1536),
    "EfficientNetV2L": Application(480, 32, "bytes", 117_746_848, 1280),
    "EfficientNetV2M": Application(480, 32, "bytes", 53_150_388, 1280),
    "EfficientNetV2S": Application(384, 32, "bytes", 20_331_360, 1280),
    "InceptionResNetV2": Application(299, 75, "signed", 54_336_736, 1536),
    "InceptionV3": Application(299, 75, "signed", 21_802_784, 2048),
    "MobileNet": Application(224, 32, "signed", 3_228_864, 1024),
    "MobileNetV2": Application(224, 32, "signed", 2_257_984, 1280),
    "MobileNetV3Large": Application(224, 32, "bytes", 2_996_352, 960),
    "MobileNetV3Small": Application(224, 32, "bytes", 939_120, 576),
    "NASNetLarge": Application(331, 32, "signed", 84_916_818, 4032),
    "NASNetMobile": Application(224, 32, "signed", 4_269_716, 1056),
    "ResNet101": Application(224, 32, "caffe", 42_658_176, 2048),
    "ResNet101V2": Application(224, 32, "signed", 42_626_560, 2048),
    "ResNet152": Application(224, 32, "caffe", 58_370_944, 2048),
    "ResNet152V2": Application(224, 32, "signed", 58_331_648, 2048),
    "ResNet50": Application(224, 32, "caffe", 23_587_712, 2048),
    "ResNet50V2": Application(224, 32, "signed", 23_564_800, 2048),
    "VGG16": Application(224, 32, "caffe", 14_714_688, 512),
    "VGG19": Application(224, 32, "caffe", 20_024_384, 512),
    "Xception": Application(299, 71, "signed", 20_861_480, 2048),
}
"""The Keras applications by their names in keras.applications."""

NETWORKS: dict[str, str] = {
    "mlp": "Dense layers (MLP)", "cnn": "Small CNN", "lenet": "LeNet-5", "mobilenet_v2": "MobileNetV2, small images",
    "resnet50": "ResNet50, small images", "synthetic": "Synthetic", "custom": "Own model",
    **{name: name for name in APPLICATIONS},
    "app": "Flower App",
}  # fmt: skip
KERAS_NETWORKS: Final = ("mlp", "cnn", "lenet", "mobilenet_v2", "resnet50", *APPLICATIONS)
"""Networks that Meadow builds with Keras; of the others it has no code for a .keras file."""
STARTS_FROM_UPLOAD: Final = ("custom", *APPLICATIONS)
"""Networks whose initial weights may be, or with custom are, uploaded ones."""

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
    return OWN_DATA if network in ("custom", "app") else dataset if network in KERAS_NETWORKS else "synthetic"


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


MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 1024
Activation = Literal["relu", "elu", "gelu", "selu", "silu", "tanh", "sigmoid"]


class NetworkSettings(BaseModel):
    """``hidden`` are the units of the hidden layers of network mlp, ``filters`` those of the convolutions of cnn.

    ``dropout`` and ``activation`` are for both. ``image_size`` is height and width, in pixels, to which an application
    scales images; None: those that it was made for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: LayerSizes = (128,)
    filters: LayerSizes = (32, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    activation: Activation = "relu"
    image_size: Annotated[int, Field(ge=MIN_IMAGE_SIZE, le=MAX_IMAGE_SIZE)] | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the settings in a config; what it does not hold has its default."""
        given: dict[str, Any] = {
            name: config[name] for name in ("dropout", "activation", "image_size") if name in config
        }
        sizes = {"hidden": "hidden_units", "filters": "filters"}
        given |= {name: read_layer_sizes(config[field]) for name, field in sizes.items() if field in config}
        return cls(**given)


DEFAULT_SETTINGS: Final = NetworkSettings()
