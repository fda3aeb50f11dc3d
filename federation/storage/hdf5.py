"""The weights of an HDF5 file as Keras 2 wrote it, such as those of Keras applications that are published.

``python -m federation.storage.hdf5 FILE OUTPUT.npz BYTES`` is the child process that reads one: a library in C does it,
and a file that harms it ends the child, not the dashboard.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from federation.weights.layout import NumpyArray

MAGIC = b"\x89HDF\r\n\x1a\n"
SECONDS, MAX_ARRAYS, MAX_ERROR = 120.0, 10_000, 200
NO_ORDER = "the file has no order of layers, as the .weights.h5 of Keras 3 has none: save the arrays as .npz"


class BadHdf5(Exception):
    """The file cannot be used; the sentence says why."""


@contextmanager
def unpacked(packed: BinaryIO, folder: Path, max_bytes: int) -> Iterator[IO[bytes]]:
    """Give the arrays of an HDF5 file as an .npz, whose order is that of the network; raises BadHdf5 and OSError."""
    with (
        tempfile.NamedTemporaryFile(dir=folder, prefix=".upload-", suffix=".h5") as given,
        tempfile.NamedTemporaryFile(dir=folder, prefix=".upload-", suffix=".npz") as made,
    ):
        while piece := packed.read(2**20):
            given.write(piece)
        given.flush()
        command = [sys.executable, "-m", "federation.storage.hdf5", given.name, made.name, str(max_bytes)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, text=True, check=False)
        except subprocess.TimeoutExpired as error:
            raise BadHdf5(f"to read it took over {SECONDS:g} seconds") from error
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["the process that read it ended"])[-1]
            raise BadHdf5(said[:MAX_ERROR])
        yield made.file


def arrays_in(file: Path, max_bytes: int) -> list[NumpyArray]:
    """Return the arrays of a file in the order of its layers; raises BadHdf5, and h5py's errors for a damaged file."""
    import h5py

    arrays: list[NumpyArray] = []
    left = max_bytes
    with h5py.File(file, "r") as held:
        root = held["model_weights"] if isinstance(held.get("model_weights"), h5py.Group) else held
        if not (layers := _names(root, "layer_names")):
            raise BadHdf5(NO_ORDER)
        for layer in layers:
            for name in _names(root[layer], "weight_names"):
                values = root[layer][name]
                if not isinstance(values, h5py.Dataset) or values.file != held or values.external or values.is_virtual:
                    raise BadHdf5(f"{layer[:50]} has weights in another file")
                left -= values.nbytes
                if left < 0:
                    raise BadHdf5(f"the arrays have more than {max_bytes:,} bytes")
                if len(arrays) == MAX_ARRAYS:
                    raise BadHdf5(f"there are more than {MAX_ARRAYS:,} arrays in it")
                arrays.append(values[()])
    return arrays


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names, which Keras cuts into several attributes where it is long."""
    if attribute in group.attrs:
        found = list(group.attrs[attribute])
    else:
        found, part = [], 0
        while f"{attribute}{part}" in group.attrs:
            found += list(group.attrs[f"{attribute}{part}"])
            part += 1
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def main(arguments: list[str]) -> int:
    """Write the arrays of a file as .npz; the exit code is 1, with a sentence, where it cannot be read."""
    file, output, max_bytes = arguments
    try:
        arrays = arrays_in(Path(file), int(max_bytes))
        with open(output, "wb") as made:
            np.savez(made, allow_pickle=False, **{f"{place:05d}": array for place, array in enumerate(arrays)})
    except BadHdf5 as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError) as error:
        sys.stderr.write(f"no HDF5 file of weights: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
