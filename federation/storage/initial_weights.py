"""The weights of round 0, built by a child process that imports TensorFlow, and kept by network, data and seed."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from federation.run.config import RunConfig
from federation.run.networks import DEFAULT_SETTINGS, NetworkSettings
from federation.schema.columns import AgreedSchema
from federation.schema.spec import Spec
from federation.storage.uploads import Uploads, UploadUnusable, read_weights
from federation.weights.files import delete_all_but_newest, write_file
from federation.weights.layout import Layout, LayoutRow

BUILD_SECONDS = 180.0
"""A child process that takes longer is killed."""


KEPT_NETWORKS = 8
"""Built initial weights of this many networks, data sets and seeds stay on disk: those that were used last."""


class NetworkNotBuilt(Exception):
    """There are no initial weights, or no .keras file, for a network; the sentence says why."""


def initial_weights(
    config: RunConfig, folder: Path, sleep: Callable[[float], None], schema: AgreedSchema | None = None
) -> tuple[Layout, bytearray]:
    """Return the layout and the weights from which every run of this network, data set and seed starts.

    ``schema`` is that of data that clients bring. ``sleep`` is called several times a second while a child process
    builds them; an exception from it kills the child. Raises NetworkNotBuilt, and OSError if ``folder`` cannot be
    written.
    """
    if config.network == "synthetic":
        values = np.random.default_rng(config.seed).standard_normal(config.synthetic_parameters, np.float32) * 0.05
        layout = Layout.of(["w"], [values])
        return layout, layout.pack([values])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if config.network == "custom":
        return _uploaded(config, folder)
    described = network_arguments(config, schema)
    stem = folder / _stem(config, described)
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # not there yet, or damaged: build it
        found = read_weights(stem)
        os.utime(stem.with_suffix(".weights"))
        return found
    with _start_file(config, folder) as start:
        _build([*described, *start, "--loss", config.loss, "--seed", str(config.seed)], stem, sleep)
    built = [file for file in folder.glob("*.weights") if not file.name.startswith(("upload-", "."))]
    delete_all_but_newest(built, KEPT_NETWORKS)
    return read_weights(stem)


def network_arguments(config: RunConfig, schema: AgreedSchema | None) -> list[str]:
    """Return the arguments of the child process that say what it builds: network, settings, data, personal layers."""
    data = ["--dataset", config.dataset] if schema is None else ["--spec", Spec.agreed(schema).model_dump_json()]
    settings = NetworkSettings.of(config.model_dump(exclude=config.unused))
    personal = ["--personal", config.personal_layers] if config.personal_layers else []
    return ["--network", config.network, *data, "--settings", settings.model_dump_json(), *personal]


def _stem(config: RunConfig, described: list[str]) -> str:
    """Return the name of the files of built weights: of published data with the network's defaults it names the data.

    ``described`` are the arguments of the child process.
    """
    data: str = config.dataset
    is_default = DEFAULT_SETTINGS.model_dump_json() in described
    plain = is_default and "--spec" not in described and "--personal" not in described
    if not plain or config.initial_weights is not None:
        data = sha256(repr((described, config.initial_weights)).encode()).hexdigest()[:16]
    return f"{config.network}-{data}-{config.seed}"


@contextlib.contextmanager
def _start_file(config: RunConfig, folder: Path) -> Iterator[list[str]]:
    """Yield the arguments that name the uploaded weights from which a network starts; their file is there until then.

    Raises NetworkNotBuilt if the upload cannot be read.
    """
    if config.initial_weights is None:
        yield []
        return
    layout, weights = _uploaded(config, folder)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".start-", suffix=".npz") as file:
        np.savez(file, allow_pickle=False, **{f"{n}": array for n, array in enumerate(layout.unpack(weights))})
        file.flush()
        yield ["--start", file.name]


def _uploaded(config: RunConfig, folder: Path) -> tuple[Layout, bytearray]:
    try:
        return Uploads(folder).read(config.initial_weights or "")
    except UploadUnusable as error:
        raise NetworkNotBuilt(str(error)) from error


def _build(arguments: Sequence[str], stem: Path, sleep: Callable[[float], None]) -> None:
    packed = stem.with_name(f".{stem.name}.{uuid.uuid4().hex}.npz")
    try:
        description = run_network_process([*arguments, "--output", str(packed)], sleep)
        layout = Layout.from_json(description["layout"])
        with np.load(packed, allow_pickle=False) as arrays:
            weights = layout.pack([arrays[name] for name in arrays.files])
    finally:
        packed.unlink(missing_ok=True)
    write_file(stem.with_suffix(".weights"), weights)
    write_file(stem.with_suffix(".json"), json.dumps(description).encode())


def run_network_process(
    arguments: Sequence[str], sleep: Callable[[float], None]
) -> dict[str, list[LayoutRow]]:  # fmt: skip
    """Run ``python -m federation.learning.networks`` and return the JSON object of its last line.

    ``sleep`` is called several times a second; an exception from it kills the child. Raises NetworkNotBuilt.
    """
    command = [sys.executable, "-m", "federation.learning.networks", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            out, err = _communicate(child, sleep)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["the process gave no reason"]
        raise NetworkNotBuilt(f"the network could not be built: {last[0][:300]}")
    described: dict[str, list[LayoutRow]] = json.loads(out.decode().strip().splitlines()[-1])
    return described


def _communicate(child: subprocess.Popen[bytes], sleep: Callable[[float], None]) -> tuple[bytes, bytes]:
    """Return the output of the child when it ends. It is read all the time, as it may be more than a pipe holds."""
    deadline = time.monotonic() + BUILD_SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=0.1)
        sleep(0.0)
        if time.monotonic() > deadline:
            raise NetworkNotBuilt(f"building the network took over {BUILD_SECONDS:g} s")
