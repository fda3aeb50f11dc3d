"""The layers of a network that patterns of their names choose: those that are frozen, and those that stay at home."""

from fnmatch import fnmatchcase
from typing import Any


def chosen_layers(model: Any, patterns: str, purpose: str) -> list[Any]:
    """Return the layers with weights that patterns such as ``block_*, Conv1`` match.

    A layer that several patterns match is chosen unless the last of them has a ``!`` in front. Raises ValueError for a
    pattern that matches no layer with weights; ``purpose`` begins the sentence.
    """
    wanted = [part.strip() for part in patterns.split(",") if part.strip()]
    layers = [layer for layer in model.layers if layer.weights]
    for pattern in wanted:
        if not any(fnmatchcase(layer.name, pattern.removeprefix("!")) for layer in layers):
            names = [layer.name for layer in layers]
            some = names if len(names) <= 6 else [*names[:3], "…", *names[-2:]]
            raise ValueError(f"{purpose}: {pattern} is no layer of {model.name}; it has {', '.join(some)}")
    chosen = []
    for layer in layers:
        matching = [pattern for pattern in wanted if fnmatchcase(layer.name, pattern.removeprefix("!"))]
        if matching and not matching[-1].startswith("!"):
            chosen.append(layer)
    return chosen
