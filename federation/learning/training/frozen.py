"""The layers of a network that are not trained, by patterns of their names."""

from typing import Any

from federation.learning.networks.layer_names import chosen_layers


def freeze(model: Any, patterns: str) -> None:
    """Train only the layers that ``chosen_layers`` does not choose.

    A layer of BatchNorm that is frozen keeps its moving statistics. Raises ValueError as ``chosen_layers`` does, and
    where no layer is left to train.
    """
    chosen = chosen_layers(model, patterns, "frozen layers")
    for layer in chosen:
        layer.trainable = False
    if chosen and not model.trainable_variables:
        raise ValueError(f"frozen layers: {patterns} leaves no layer of {model.name} to train")
