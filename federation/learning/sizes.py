"""The size of a network's model for a data set, by arithmetic: nothing is built, TensorFlow is not imported."""

from federation.learning.data.catalogue import CLASSES, SHAPES, Shape
from federation.run.networks import Dataset, Network

__all__ = ["BYTES_PER_PARAMETER", "CLASSES", "input_shape", "parameters_of"]

LENET_SIDE = 28
"""The least height and width, in pixels, that network lenet takes; smaller images get a black border."""

BYTES_PER_PARAMETER = 4
"""All of Meadow's networks are float32."""


def input_shape(dataset: str) -> Shape | None:
    """Return height, width and channels of a data set's images, or None if it has no images."""
    return next((shape for name, shape in SHAPES.items() if name == dataset), None)


def parameters_of(network: Network, dataset: Dataset, synthetic: int) -> int | None:
    """Return the number of parameters of a network, BatchNorm's moving statistics included.

    ``synthetic`` is the size that the run asks of network synthetic. None: only the uploaded weights of network custom
    tell its size.
    """
    if network == "synthetic":
        return synthetic
    shape = input_shape(dataset)
    if shape is None or network == "custom":
        return None
    height, width, channels = shape
    match network:
        case "mlp":
            return _dense(height * width * channels, 128) + _dense(128, CLASSES)
        case "cnn":
            pooled = (height // 4) * (width // 4) * 64
            return _dense(9 * channels, 32) + _dense(9 * 32, 64) + _dense(pooled, 64) + _dense(64, CLASSES)
        case "lenet":
            sides = [(max(side, LENET_SIDE) - 4) // 2 for side in (height, width)]
            pooled = 16 * ((sides[0] - 4) // 2) * ((sides[1] - 4) // 2)
            convolutions = _dense(25 * channels, 6) + _dense(25 * 6, 16)
            return convolutions + _dense(pooled, 120) + _dense(120, 84) + _dense(84, CLASSES)
        case "mobilenet_v2":
            return 2_257_984 + _dense(1280, CLASSES)
        case "resnet50":
            return 23_587_712 + _dense(2048, CLASSES)


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
