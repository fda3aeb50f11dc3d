"""The Keras networks that a run can name, and the child process that draws their initial weights for the server.

    python -m federation.learning.networks --network mlp --dataset digits --loss L --seed 7 --output FILE.npz

TensorFlow is imported inside functions, so importing this module is cheap.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np

from federation.learning.data.catalogue import CLASSES, SHAPES, Shape
from federation.learning.keras_backend import load_keras
from federation.learning.sizes import LENET_SIDE
from federation.run.choices import Loss
from federation.run.networks import KERAS_NETWORKS
from federation.weights.files import write_file
from federation.weights.layout import Entry, Layout

MIN_SIDE = 32
"""The least height and width, in pixels, that the Keras applications take; smaller images get a black border."""


class UnknownNetwork(ValueError):
    """There is no Keras network of that name."""


def build(network: str, shape: Shape, classes: int = CLASSES) -> Any:
    """Return a new Keras model from images (n, *shape), float32 in 0..1, to probabilities (n, classes).

    Layers have fixed names, because names of arrays must not depend on what was built before in the same process.
    Raises UnknownNetwork.
    """
    if network not in _BUILDERS:
        raise UnknownNetwork(f"There is no Keras network {network}: choose one of {', '.join(_BUILDERS)}.")
    keras = load_keras()
    inputs = keras.Input(shape, name="images")
    return keras.Model(inputs, _BUILDERS[network](keras, inputs, classes), name=network)


def _mlp(keras: Any, inputs: Any, classes: int) -> Any:
    layers = keras.layers
    hidden = layers.Dense(128, activation="relu", name="hidden")(layers.Flatten(name="flatten")(inputs))
    return layers.Dense(classes, activation="softmax", name="classes")(layers.Dropout(0.2, name="dropout")(hidden))


def _cnn(keras: Any, inputs: Any, classes: int) -> Any:
    layers, images = keras.layers, inputs
    for number, filters in enumerate((32, 64), 1):
        images = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{number}")(images)
        images = layers.MaxPooling2D(name=f"pool{number}")(images)
    hidden = layers.Dense(64, activation="relu", name="hidden")(layers.Flatten(name="flatten")(images))
    return layers.Dense(classes, activation="softmax", name="classes")(layers.Dropout(0.2, name="dropout")(hidden))


def _lenet(keras: Any, inputs: Any, classes: int) -> Any:
    """LeNet-5 with ReLU and maximum pooling, the "simple CNN" of NIID-Bench (Li et al. 2022, arXiv:2102.02079)."""
    layers, images = keras.layers, _padded(keras, inputs, LENET_SIDE)
    for number, filters in enumerate((6, 16), 1):
        images = layers.Conv2D(filters, 5, activation="relu", name=f"conv{number}")(images)
        images = layers.MaxPooling2D(name=f"pool{number}")(images)
    hidden = layers.Flatten(name="flatten")(images)
    for number, units in enumerate((120, 84), 1):
        hidden = layers.Dense(units, activation="relu", name=f"hidden{number}")(hidden)
    return layers.Dense(classes, activation="softmax", name="classes")(hidden)


def _application(name: str, keras: Any, inputs: Any, classes: int) -> Any:
    images = _as_photos(keras, inputs)
    make, shape = getattr(keras.applications, name), tuple(images.shape[1:])
    return make(input_tensor=images, input_shape=shape, weights=None, classes=classes).output


def _as_photos(keras: Any, images: Any) -> Any:
    """Pad to ``MIN_SIDE`` and repeat a grey channel three times; layers do it, so the data stay small in memory."""
    images = _padded(keras, images, MIN_SIDE)
    if images.shape[3] == 1:
        images = keras.layers.Concatenate(name="colours")([images, images, images])
    return images


def _padded(keras: Any, images: Any, least: int) -> Any:
    """Put a black border around images whose height or width is below ``least``."""
    margins = [max(0, least - side) for side in images.shape[1:3]]
    if not any(margins):
        return images
    border = tuple((margin // 2, margin - margin // 2) for margin in margins)
    return keras.layers.ZeroPadding2D(border, name="border")(images)


_BUILDERS: dict[str, Callable[[Any, Any, int], Any]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "lenet": _lenet,
    "mobilenet_v2": partial(_application, "MobileNetV2"),
    "resnet50": partial(_application, "ResNet50"),
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


def draw(network: str, shape: Shape, seed: int, output: Path) -> dict[str, Any]:
    """Build a network, write its seeded initial weights to an .npz by array name, and return its description."""
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    model = build(network, shape)
    layout = layout_of(model)
    archive = io.BytesIO()
    arrays: dict[str, Any] = {e.name: w for e, w in zip(layout.entries, model.get_weights(), strict=True)}
    np.savez(archive, allow_pickle=False, **arrays)
    write_file(output, archive.getbuffer())
    return {
        "layout": layout.to_json(), "parameters": layout.parameters, "input_shape": list(shape), "classes": CLASSES,
        "summary": summarize(model),
    }  # fmt: skip


def export(network: str, shape: Shape, weights: Path, output: Path) -> dict[str, Any]:
    """Build a network, load the arrays of an .npz in their order, and save it as a .keras model.

    Returns the network's description; raises ValueError if the arrays do not fit.
    """
    model = build(network, shape)
    layout = layout_of(model)
    with np.load(weights, allow_pickle=False) as packed:
        arrays = [packed[name] for name in packed.files]
    if (difference := layout.difference(Layout.of([str(i) for i in range(len(arrays))], arrays).entries)) is not None:
        raise ValueError(f"the weights do not fit {network}: {difference}")
    model.set_weights(arrays)
    model.save(output)
    return {"layout": layout.to_json(), "parameters": layout.parameters}


class _Parser(argparse.ArgumentParser):
    """Raises ValueError with one sentence, where argparse itself prints its usage and exits with 2."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m federation.learning.networks", description="Draw the initial weights of a network."
    )
    parser.add_argument("--network", required=True, choices=KERAS_NETWORKS)
    parser.add_argument("--dataset", required=True, choices=list(SHAPES), help="gives the shape of an image")
    parser.add_argument("--loss", choices=get_args(Loss), help="known to the run; no network's weights depend on it")
    parser.add_argument("--seed", required=True, type=int, help="0 to 2**32 - 1")
    parser.add_argument(
        "--weights", type=Path, help="an .npz in the network's order; the output is a .keras model then"
    )
    parser.add_argument("--output", required=True, type=Path, help="the .npz or .keras to write")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: one JSON line on stdout and 0, or one sentence on stderr and 1."""
    try:
        options = _parser().parse_args(arguments)
        if not 0 <= options.seed < 2**32:
            raise ValueError(f"argument --seed: {options.seed} is not in 0 to 2**32 - 1")
        shape = SHAPES[options.dataset]
        if options.weights is not None:
            described = export(options.network, shape, options.weights, options.output)
        else:
            described = draw(options.network, shape, options.seed, options.output)
    except (ValueError, OSError, ImportError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(json.dumps(described) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
