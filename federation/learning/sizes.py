"""How large a network's model is for a data set, by arithmetic: nothing is built, TensorFlow is not imported."""

from federation.learning.data.datasets import CLASSES, SHAPES
from federation.run.config import Dataset, Network

__all__ = ["BYTES_A_PARAMETER", "CLASSES", "input_shape", "parameters_of"]

BYTES_A_PARAMETER = 4
"""All of Meadow's networks are float32."""


def input_shape(dataset: str) -> tuple[int, int, int] | None:
    """Return height, width and channels of a data set's images; None where it has none."""
    return next((shape for name, shape in SHAPES.items() if name == dataset), None)


def parameters_of(network: Network, dataset: Dataset, synthetic: int) -> int | None:
    """Return how many parameters a network has, moving statistics included; None where only its weights tell.

    ``synthetic`` is what the synthetic network is asked to have.
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
        case "mobilenet_v2":
            return 2_257_984 + _dense(1280, CLASSES)
        case "resnet50":
            return 23_587_712 + _dense(2048, CLASSES)


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
