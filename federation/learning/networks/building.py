"""Builds the networks by name: layers between the inputs that a ``Spec`` describes and its outputs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from federation.learning.keras_backend import load_keras
from federation.learning.networks.applications import application
from federation.learning.networks.images import as_images, in_colours, padded
from federation.learning.sizes import CNN_SIDE, LENET_SIDE
from federation.run.networks import APPLICATIONS, DEFAULT_SETTINGS, NetworkSettings
from federation.schema.spec import Spec
from federation.weights.layout import Entry, Layout

MIN_SIDE = 32
"""The least height and width, in pixels, of the networks for small images; smaller ones get a black border."""


class UnknownNetwork(ValueError):
    """There is no Keras network of that name."""


def build(network: str, spec: Spec, settings: NetworkSettings = DEFAULT_SETTINGS) -> Any:
    """Return a new Keras model from inputs (n, *spec.shape), float32, to outputs (n, spec.outputs).

    Images of published data sets are in 0..1. Layers have fixed names, because names of arrays must not depend on what
    was built before in the same process. Raises UnknownNetwork and NetworkUnfit.
    """
    if network not in _BUILDERS:
        raise UnknownNetwork(f"There is no Keras network {network}: choose one of {', '.join(_BUILDERS)}.")
    keras = load_keras()
    inputs = keras.Input(spec.shape, name="images" if len(spec.shape) == 3 else "inputs")
    return keras.Model(inputs, _BUILDERS[network](keras, inputs, spec, settings), name=network)


# Initial weights depend on the order in which layers are made: each draws its seed then.


def _mlp(keras: Any, inputs: Any, spec: Spec, settings: NetworkSettings) -> Any:
    layers, last = keras.layers, len(settings.hidden)
    hidden = [
        layers.Dense(units, activation=settings.activation, name=_numbered("hidden", number, last))
        for number, units in enumerate(settings.hidden, 1)
    ]
    values, head = layers.Flatten(name="flatten")(inputs), _head(keras, spec)
    for number, layer in enumerate(hidden, 1):
        values = layers.Dropout(settings.dropout, name=_numbered("dropout", number, last))(layer(values))
    return head(values)


def _cnn(keras: Any, inputs: Any, spec: Spec, settings: NetworkSettings) -> Any:
    layers, images = keras.layers, padded(keras, as_images("cnn", keras, inputs), CNN_SIDE)
    for number, filters in enumerate(settings.filters, 1):
        convolution = layers.Conv2D(filters, 3, padding="same", activation=settings.activation, name=f"conv{number}")
        images = convolution(images)
        if min(images.shape[1:3]) > 1:
            images = layers.MaxPooling2D(name=f"pool{number}")(images)
    dense = layers.Dense(64, activation=settings.activation, name="hidden")
    hidden, head = dense(layers.Flatten(name="flatten")(images)), _head(keras, spec)
    return head(layers.Dropout(settings.dropout, name="dropout")(hidden))


def _lenet(keras: Any, inputs: Any, spec: Spec, _: NetworkSettings) -> Any:
    """LeNet-5 with ReLU and maximum pooling, the "simple CNN" of NIID-Bench (Li et al. 2022, arXiv:2102.02079)."""
    layers, images = keras.layers, padded(keras, as_images("lenet", keras, inputs), LENET_SIDE)
    for number, filters in enumerate((6, 16), 1):
        images = layers.Conv2D(filters, 5, activation="relu", name=f"conv{number}")(images)
        images = layers.MaxPooling2D(name=f"pool{number}")(images)
    hidden = layers.Flatten(name="flatten")(images)
    for number, units in enumerate((120, 84), 1):
        hidden = layers.Dense(units, activation="relu", name=f"hidden{number}")(hidden)
    return _head(keras, spec)(hidden)


def _small_application(name: str, keras: Any, inputs: Any, spec: Spec, _: NetworkSettings) -> Any:
    """Return the outputs of an application over small images as they are, which it learns from the beginning."""
    images = in_colours(keras, padded(keras, as_images(name, keras, inputs), MIN_SIDE))
    make, shape = getattr(keras.applications, name), tuple(images.shape[1:])
    activation = None if spec.is_number else "softmax"
    model = make(
        input_tensor=images, input_shape=shape, weights=None, classes=spec.outputs, classifier_activation=activation
    )
    return model.output


def _application(name: str, keras: Any, inputs: Any, spec: Spec, settings: NetworkSettings) -> Any:
    return _head(keras, spec)(application(name, keras, as_images(name, keras, inputs), settings))


def _head(keras: Any, spec: Spec) -> Any:
    """Return the last layer: one number as it is, or the probabilities of the classes."""
    if spec.is_number:
        return keras.layers.Dense(1, name="number")
    return keras.layers.Dense(spec.outputs, activation="softmax", name="classes")


def _numbered(name: str, number: int, of: int) -> str:
    return name if of == 1 else f"{name}{number}"


_BUILDERS: dict[str, Callable[[Any, Any, Spec, NetworkSettings], Any]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "lenet": _lenet,
    "mobilenet_v2": partial(_small_application, "MobileNetV2"),
    "resnet50": partial(_small_application, "ResNet50"),
    **{name: partial(_application, name) for name in APPLICATIONS},
}


def layout_of(model: Any) -> Layout:
    """Return the layout of ``model.get_weights()``, moving statistics included, named by ``variable.path``."""
    seen: dict[str, int] = {}
    entries = []
    for variable in model.weights:
        count = seen[variable.path] = seen.get(variable.path, 0) + 1
        name = variable.path if count == 1 else f"{variable.path}_{count}"
        entries.append(Entry(name, tuple(variable.shape), str(variable.dtype)))
    return Layout(tuple(entries))


def summarize(model: Any) -> str:
    """Return Keras' summary as text: a table of layers, shapes and parameters."""
    lines: list[str] = []
    model.summary(line_length=100, print_fn=lines.append)
    return "\n".join(lines)
