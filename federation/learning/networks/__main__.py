"""The child process that draws initial weights for the server, or saves weights as a .keras file.

    python -m federation.learning.networks --network mlp --dataset digits --loss L --seed 7 --output FILE.npz

For data of clients' own, ``--spec`` has the JSON of a ``Spec`` in place of a dataset; ``--settings`` that of the
network.
"""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

import numpy as np
from pydantic import ValidationError

from federation.learning.data.catalogue import SHAPES
from federation.learning.keras_backend import load_keras
from federation.learning.networks.building import build, layout_of, summarize
from federation.learning.networks.exporting import save_model
from federation.learning.networks.personal import PersonalPart
from federation.learning.spec import published_spec
from federation.run.choices import Loss, loss_for
from federation.run.networks import KERAS_NETWORKS, NetworkSettings
from federation.schema.spec import Spec
from federation.weights.files import write_file
from federation.weights.layout import Entry, Layout, NumpyArray


def draw(
    network: str, spec: Spec, settings: NetworkSettings, seed: int, output: Path, start: Path | None = None,
    personal: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Build a network, write its seeded initial weights to an .npz by array name, and return its description.

    Those of ``personal`` layers are not written: each client draws them by the same seed.

    ``start`` is an .npz of other weights in the network's order, with its last layer or without: a last layer that is
    not there is drawn. Raises ValueError if they do not fit.
    """
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    model = build(network, spec, settings)
    layout = layout_of(model)
    if start is not None:
        _start_from(model, layout, start)
    archive, part = io.BytesIO(), PersonalPart(model, personal)
    layout, weights = part.shared_layout, part.shared(model.get_weights())
    arrays: dict[str, Any] = {e.name: w for e, w in zip(layout.entries, weights, strict=True)}
    np.savez(archive, allow_pickle=False, **arrays)
    write_file(output, archive.getbuffer())
    return {
        "layout": layout.to_json(), "parameters": layout.parameters, "input_shape": list(spec.shape),
        "classes": spec.classes, "target": spec.target, "summary": summarize(model),
    }  # fmt: skip


def _start_from(model: Any, layout: Layout, start: Path) -> None:
    given, own = _arrays(start), model.get_weights()
    known = layout.entries[: len(given)]
    if len(given) not in (len(own), len(own) - 2):
        needed = f"{len(own):,} arrays, or {len(own) - 2:,} without the last layer"
        raise ValueError(f"the uploaded weights have {len(given):,} arrays, {model.name} has {needed}")
    if (difference := Layout(known).difference(_entries(given))) is not None:
        raise ValueError(f"the uploaded weights do not fit {model.name}: {difference}")
    model.set_weights([*given, *own[len(given) :]])


def _arrays(file: Path) -> list[NumpyArray]:
    with np.load(file, allow_pickle=False) as packed:
        return [packed[name] for name in packed.files]


def _entries(arrays: list[NumpyArray]) -> tuple[Entry, ...]:
    return Layout.of([str(number) for number in range(len(arrays))], arrays).entries


def export(network: str, spec: Spec, settings: NetworkSettings, weights: Path, output: Path) -> dict[str, Any]:
    """Build a network, load the arrays of an .npz in their order, and save it as the end of the output's name says.

    Returns the network's description; raises ValueError if the arrays do not fit, and as ``save_model`` does.
    """
    model = build(network, spec, settings)
    layout = layout_of(model)
    arrays = _arrays(weights)
    if (difference := layout.difference(_entries(arrays))) is not None:
        raise ValueError(f"the weights do not fit {network}: {difference}")
    model.set_weights(arrays)
    save_model(model, output)
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
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--dataset", choices=list(SHAPES), help="gives the shape of an image")
    data.add_argument("--spec", help="JSON of input shape, outputs and task, for data that clients bring")
    parser.add_argument("--settings", default="{}", help="JSON of the network's settings; default: none is changed")
    parser.add_argument("--loss", choices=get_args(Loss), help="refused if it does not fit the target")
    parser.add_argument("--personal", default="", help="names of layers that are not written: clients keep them")
    parser.add_argument("--seed", required=True, type=int, help="0 to 2**32 - 1")
    parser.add_argument("--start", type=Path, help="an .npz of weights to start from, with the last layer or without")
    parser.add_argument(
        "--weights",
        type=Path,
        help="an .npz in the network's order: the output is a model, by the end of its name",
    )
    parser.add_argument("--output", required=True, type=Path, help="the .npz, .keras, .onnx or .savedmodel to write")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: one JSON line on stdout and 0, or one sentence on stderr and 1."""
    try:
        options = _parser().parse_args(arguments)
        if not 0 <= options.seed < 2**32:
            raise ValueError(f"argument --seed: {options.seed} is not in 0 to 2**32 - 1")
        spec = Spec.model_validate_json(options.spec) if options.spec is not None else published_spec(options.dataset)
        settings = NetworkSettings.model_validate_json(options.settings)
        if options.loss is not None:
            loss_for(options.loss, spec.target)
        if options.weights is not None:
            described = export(options.network, spec, settings, options.weights, options.output)
        else:
            described = draw(
                options.network, spec, settings, options.seed, options.output, options.start, options.personal
            )
    except (ValueError, OSError, ImportError) as error:
        sys.stderr.write(f"{' '.join(_sentence(error).split())}\n")
        return 1
    sys.stdout.write(json.dumps(described) + "\n")
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or error.title}: {first['msg']}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
