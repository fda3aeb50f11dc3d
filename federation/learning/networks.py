"""The Keras networks that a run can name, and the child process that draws their first weights for the server.

    python -m federation.learning.networks --network mlp --dataset digits --loss L --seed 7 --output FILE.npz

TensorFlow is imported inside functions: importing this module costs nothing.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np

from federation.learning.data.datasets import CLASSES, SHAPES
from federation.run.config import Loss, Network
from federation.weights.layout import Entry, Layout, write_file

Shape = tuple[int, int, int]
SMALLEST_SIDE = 32
"""Pixels below which the Keras applications have nothing left to convolve; smaller images get a black border."""


class UnknownNetwork(ValueError):
    """A name that stands for no Keras network."""


def load_keras() -> Any:
    """Import Keras on TensorFlow and return it.

    A layout has to be the same on every machine, so backend, float type and axes are set here, whatever the person's
    ``keras.json`` says.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    return keras


def build(network: str, shape: Shape, classes: int = CLASSES) -> Any:
    """Return a new Keras model from images (n, *shape), float32 in 0..1, to probabilities (n, classes).

    Layers have fixed names: the arrays' names must not depend on what was built before in the same process.
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


def _application(name: str, keras: Any, inputs: Any, classes: int) -> Any:
    images = _as_photos(keras, inputs)
    make, shape = getattr(keras.applications, name), tuple(images.shape[1:])
    return make(input_tensor=images, input_shape=shape, weights=None, classes=classes).output


def _as_photos(keras: Any, images: Any) -> Any:
    """Pad to ``SMALLEST_SIDE`` and repeat a grey channel three times; done by layers, so data stay small in memory."""
    margins = [max(0, SMALLEST_SIDE - side) for side in images.shape[1:3]]
    if any(margins):
        border = tuple((margin // 2, margin - margin // 2) for margin in margins)
        images = keras.layers.ZeroPadding2D(border, name="border")(images)
    if images.shape[3] == 1:
        images = keras.layers.Concatenate(name="colours")([images, images, images])
    return images


_BUILDERS: dict[str, Callable[[Any, Any, int], Any]] = {
    "mlp": _mlp,
    "cnn": _cnn,
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
    """Return Keras' table of layers, shapes and parameters as text."""
    lines: list[str] = []
    model.summary(line_length=100, print_fn=lines.append)
    return "\n".join(lines)


def draw(network: str, shape: Shape, seed: int, output: Path) -> dict[str, Any]:
    """Build a network, write its seeded first weights to an .npz (by array name), and return what describes it."""
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
    """Build a network, give it the arrays of an .npz in their order, and save it as a .keras model."""
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
    """Raises ValueError with one sentence, where argparse prints its usage and leaves with 2."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m federation.learning.networks", description="Draw the first weights of a network.")
    parser.add_argument(
        "--network", required=True, choices=[n for n in get_args(Network) if n not in ("synthetic", "custom")]
    )
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
