"""The size of a network's model for a data set, by arithmetic: nothing is built, TensorFlow is not imported."""

from itertools import pairwise

from federation.learning.data.catalogue import CLASSES, SHAPES, Shape
from federation.learning.spec import published_spec
from federation.run.config import RunConfig
from federation.run.networks import APPLICATIONS, NetworkSettings
from federation.schema.spec import Spec

__all__ = ["BYTES_PER_PARAMETER", "CLASSES", "input_shape", "model_parameters", "parameters_of"]

CNN_SIDE = 4
"""The least height and width, in pixels, that network cnn takes; smaller images get a black border."""

LENET_SIDE = 28
"""The least height and width, in pixels, that network lenet takes; smaller images get a black border."""

BYTES_PER_PARAMETER = 4
"""All of Meadow's networks are float32."""


def input_shape(dataset: str) -> Shape | None:
    """Return height, width and channels of a data set's images, or None if it has no images."""
    return SHAPES.get(dataset)


def parameters_of(config: RunConfig, spec: Spec | None = None) -> int | None:
    """Return the number of parameters of a run's model, BatchNorm's moving statistics included.

    ``spec`` is for data that clients bring. None where the size cannot be known: only the uploaded weights of network
    custom tell it, and data without a spec.
    """
    if config.network == "synthetic":
        return config.synthetic_parameters
    if config.network in ("custom", "app") or (spec is None and input_shape(config.dataset) is None):
        return None
    spec = published_spec(config.dataset) if spec is None else spec
    return model_parameters(config.network, spec, NetworkSettings.of(config.model_dump()))


def model_parameters(network: str, spec: Spec, settings: NetworkSettings) -> int | None:
    """Return the number of parameters of a network that Meadow builds; None if it does not take such inputs."""
    if network == "mlp":
        units = (spec.inputs, *settings.hidden, spec.outputs)
        return sum(_dense(*pair) for pair in pairwise(units))
    if len(spec.shape) not in (2, 3):
        return None
    if (application := APPLICATIONS.get(network)) is not None:
        return application.parameters + _dense(application.features, spec.outputs)
    height, width, channels = (*spec.shape, 1)[:3]
    match network:
        case "cnn":
            return _cnn(max(height, CNN_SIDE), max(width, CNN_SIDE), channels, spec.outputs, settings.filters)
        case "lenet":
            sides = [(max(side, LENET_SIDE) - 4) // 2 for side in (height, width)]
            pooled = 16 * ((sides[0] - 4) // 2) * ((sides[1] - 4) // 2)
            convolutions = _dense(25 * channels, 6) + _dense(25 * 6, 16)
            return convolutions + _dense(pooled, 120) + _dense(120, 84) + _dense(84, spec.outputs)
        case "mobilenet_v2":
            return 2_257_984 + _dense(1280, spec.outputs)
        case "resnet50":
            return 23_587_712 + _dense(2048, spec.outputs)
    return None


def _cnn(height: int, width: int, channels: int, outputs: int, filters: tuple[int, ...]) -> int:
    parameters = sum(_dense(9 * before, after) for before, after in pairwise((channels, *filters)))
    for _ in filters:
        if min(height, width) > 1:
            height, width = height // 2, width // 2
    return parameters + _dense(height * width * filters[-1], 64) + _dense(64, outputs)


def _dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
