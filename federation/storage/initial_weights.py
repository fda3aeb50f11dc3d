"""Round 0's weights: made by a child process that may import TensorFlow, kept on disk by network, data and seed."""

import contextlib
import json
import os
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from federation.aggregation.reply_checks import refuse_not_finite
from federation.protocol.messages import content_id
from federation.run.config import RunConfig
from federation.weights.layout import Array, Layout, write_file

BUILD_SECONDS = 180.0

MAX_ARRAYS, MAX_ARRAY_NAME = 10_000, 200
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, ValueError, TypeError, OverflowError, OSError, EOFError, RuntimeError, MemoryError,
)  # fmt: skip
"""What zipfile and numpy raise for archives that are damaged, locked, packed in ways unknown here, or that lie."""


class NetworkNotBuilt(Exception):
    """The child process could not build the network; the sentence says why."""


def initial_weights(config: RunConfig, folder: Path, sleep: Callable[[float], None]) -> tuple[Layout, bytearray]:
    """Return layout and weights that every run of this network, data and seed starts from.

    ``sleep`` is called between looks at the child process; what it raises ends the child. Raises NetworkNotBuilt.
    """
    if config.network == "synthetic":
        values = np.random.default_rng(config.seed).standard_normal(config.synthetic_parameters, np.float32) * 0.05
        layout = Layout.of(["w"], [values])
        return layout, layout.pack([values])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if config.network == "custom":
        return _uploaded(folder / f"upload-{config.initial_weights}")
    stem = folder / f"{config.network}-{config.dataset}-{config.seed}"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return _read(stem)
    _build(config, stem, sleep)  # it is not there yet, or damaged
    return _read(stem)


def _read(stem: Path) -> tuple[Layout, bytearray]:
    layout = Layout.from_json(json.loads(stem.with_suffix(".json").read_bytes())["layout"])
    weights = bytearray(stem.with_suffix(".weights").read_bytes())
    layout.flats(weights)
    return layout, weights


def _uploaded(stem: Path) -> tuple[Layout, bytearray]:
    try:
        return _read(stem)
    except FileNotFoundError as error:
        raise NetworkNotBuilt("the uploaded weights are gone: upload them again") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NetworkNotBuilt("the uploaded weights are damaged: upload them again") from error


def holds_upload(name: str, folder: Path) -> bool:
    """Say whether there are uploaded weights of that id."""
    return (folder / f"upload-{name}.json").is_file()


def keep_upload(packed: BinaryIO, folder: Path, max_bytes: int) -> tuple[str, Layout]:
    """Keep the arrays of an uploaded .npz as initial weights; return their id (sha256 of layout and buffer) and layout.

    Nothing is unpickled, and nothing is read that says it is larger than ``max_bytes``. Raises NetworkNotBuilt.
    """
    try:
        held = _arrays_in(packed, max_bytes)
        layout = Layout.from_json(Layout.of(list(held), list(held.values())).to_json())
        weights = layout.pack(list(held.values()))
    except UNREADABLE as error:
        why = " ".join(str(error).split())[:200]
        raise NetworkNotBuilt(f"this is no .npz of plain arrays: {why or 'it is cut off'}") from error
    if not weights:
        raise NetworkNotBuilt("there is no value in it" if held else "there is no array in it")
    if (refusal := refuse_not_finite(layout.flats(weights))) is not None:
        raise NetworkNotBuilt(refusal)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    described = json.dumps({"layout": layout.to_json()}).encode()
    name = content_id(described, weights)
    write_file((folder / f"upload-{name}").with_suffix(".weights"), weights)
    write_file((folder / f"upload-{name}").with_suffix(".json"), described)
    return name, layout


def _arrays_in(packed: BinaryIO, max_bytes: int) -> dict[str, Array]:
    """Return the arrays of an .npz by name, in its order; what raises is in ``UNREADABLE``, but for NetworkNotBuilt."""
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > max_bytes:
            raise NetworkNotBuilt(f"the arrays have more than {max_bytes} bytes")
        if len(members) > MAX_ARRAYS:
            raise NetworkNotBuilt(f"there are more than {MAX_ARRAYS} arrays in it")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise ValueError(f"{name[:100]!r} in it is no .npy")
            if not _is_plain(name):
                raise ValueError(f"{name[:100]!r} is no name for an array")
            if name in arrays:
                raise ValueError(f"there are two arrays {name[:100]!r}")
            with archive.open(member) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _is_plain(name: str) -> bool:
    """Say whether a name may stand in an archive that others unpack: printable, and it leads out of no folder."""
    leads_out = name.startswith("/") or "\\" in name or ".." in name.split("/")
    return 0 < len(name) <= MAX_ARRAY_NAME and name.isprintable() and not leads_out


def _build(config: RunConfig, stem: Path, sleep: Callable[[float], None]) -> None:
    packed = stem.with_suffix(f".{os.getpid()}.npz")
    command = [sys.executable, "-m", "federation.learning.networks", "--network", config.network,
               "--dataset", config.dataset, "--loss", config.loss, "--seed", str(config.seed),
               "--output", str(packed)]  # fmt: skip
    try:
        description = run_child(command, sleep)
        layout = Layout.from_json(description["layout"])
        with np.load(packed, allow_pickle=False) as arrays:
            weights = layout.pack([arrays[name] for name in arrays.files])
    finally:
        packed.unlink(missing_ok=True)
    write_file(stem.with_suffix(".weights"), weights)
    write_file(stem.with_suffix(".json"), json.dumps(description).encode())


def run_child(command: list[str], sleep: Callable[[float], None]) -> dict[str, list[tuple[str, list[int], str]]]:
    """Run ``python -m federation.learning.networks``; return the JSON of its last line. Raises NetworkNotBuilt."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            out, err = _wait_for(child, sleep)
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:] or ["it gave no reason"]
        raise NetworkNotBuilt(f"the network could not be built: {last[0][:300]}")
    described: dict[str, list[tuple[str, list[int], str]]] = json.loads(out.decode().strip().splitlines()[-1])
    return described


def _wait_for(child: subprocess.Popen[bytes], sleep: Callable[[float], None]) -> tuple[bytes, bytes]:
    """Read what the child writes, which may be more than a pipe holds, until it ends."""
    until = time.monotonic() + BUILD_SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=0.1)
        sleep(0.0)
        if time.monotonic() > until:
            raise NetworkNotBuilt(f"building the network took over {BUILD_SECONDS:g} s")
