"""The layers of a network that are not trained, by patterns of their names."""

from fnmatch import fnmatchcase
from typing import Any


def freeze(model: Any, patterns: str) -> None:
    """Train only the layers that no pattern matches, such as ``block_*, Conv1``, or that one with ``!`` in front does.

    A layer of BatchNorm that is frozen keeps its moving statistics. Raises ValueError for a pattern that matches no
    layer with weights, and where no layer is left to train.
    """
    wanted = [part.strip() for part in patterns.split(",") if part.strip()]
    layers = [layer for layer in model.layers if layer.weights]
    for pattern in wanted:
        if not any(fnmatchcase(layer.name, pattern.removeprefix("!")) for layer in layers):
            some = ", ".join(layer.name for layer in [*layers[:3], *layers[-2:]])
            raise ValueError(f"frozen layers: {pattern} is no layer of {model.name}; it has {some} and others")
    for layer in layers:
        matching = [pattern for pattern in wanted if fnmatchcase(layer.name, pattern.removeprefix("!"))]
        layer.trainable = layer.trainable and not (matching and not matching[-1].startswith("!"))
    if wanted and not model.trainable_variables:
        raise ValueError(f"frozen layers: {patterns} leaves no layer of {model.name} to train")
