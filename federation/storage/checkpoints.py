"""A run's weights on disk: the flat buffer of each kept round, the layout beside it, the strategy's state."""

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from federation.run.events import Checkpoint
from federation.weights.layout import Array, Layout, write_file

Buffer = bytes | bytearray | memoryview


WRITTEN = "sha256"
"""Name in a state's file of the sha256 over the state and the weights that it belongs to."""

RESERVE_BYTES = 4 * 1024 * 1024
"""The last of a disk belongs to the database: it has to say that there is no room."""


class CheckpointDamaged(Exception):
    """A checkpoint is missing or not what was written; the sentence names the file."""


class Checkpoints:
    """Files of one run in ``folder``: ``layout.json``, ``round-000004.weights``, ``round-000004.state.npz``.

    A state's file holds a sha256 over itself and its round's weights: neither is taken without the other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in folder.glob(".*.writing"):
            left_over.unlink()
        self._there = {int(path.name[6:12]) for path in folder.glob("round-*")}
        self._doomed: set[int] = set()

    def write_layout(self, layout: Layout) -> None:
        """Keep the layout, once."""
        path = self._folder / "layout.json"
        if not path.exists():
            write_file(path, json.dumps(layout.to_json()).encode())

    def read_layout(self) -> Layout:
        """Return the layout; raises CheckpointDamaged."""
        try:
            return Layout.from_json(json.loads((self._folder / "layout.json").read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointDamaged(f"layout.json of the run cannot be read: {error}") from error

    def need(self, size_bytes: int) -> None:
        """Raise OSError where the disk has no room for so many bytes and the reserve."""
        if shutil.disk_usage(self._folder).free < size_bytes + RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, number: int, weights: Buffer, state: dict[str, Array], sha256: str | None = None) -> Checkpoint:
        """Write one round's weights, its state first; whole or not at all. Raises OSError, for want of room early.

        Rounds that need not be kept go first. ``sha256`` is that of the weights, where it is known.
        """
        self.tidy()
        self.need(memoryview(weights).nbytes + sum(array.nbytes for array in state.values()))
        file = self._weights_file(number)
        if state:
            sha256 = sha256 or hashlib.sha256(weights).hexdigest()
            self._write_state(number, state, _digest(state, sha256))
        sha256 = write_file(file, weights, sha256=sha256)
        self._there.add(number)
        return Checkpoint(file.name, sha256, memoryview(weights).nbytes)

    def read(
        self, number: int, checkpoint: Checkpoint, digest: Callable[[Buffer], str]
    ) -> tuple[bytearray, dict[str, Array]]:
        """Return weights and state of a round.

        Raises CheckpointDamaged for weights or a state that are not what was written, or not written together.
        """
        try:
            weights = bytearray((self._folder / checkpoint.file).read_bytes())
        except OSError as error:
            raise CheckpointDamaged(f"checkpoint {checkpoint.file} cannot be read: {error}") from error
        if digest(weights) != checkpoint.sha256:
            raise CheckpointDamaged(f"checkpoint {checkpoint.file} is not what was written: its sha256 differs")
        return weights, self._read_state(number, checkpoint.sha256)

    def state_file(self, number: int) -> Path:
        """Return where a round's state is kept, if its strategy has one."""
        return self._folder / f"round-{number:06d}.state.npz"

    def _write_state(self, number: int, state: dict[str, Array], digest: str) -> None:
        packed = io.BytesIO()
        np.savez(packed, **{WRITTEN: np.array(digest)}, **state)  # type: ignore[arg-type]  # stubs: allow_pickle
        write_file(self.state_file(number), packed.getbuffer(), sha256=digest)

    def _read_state(self, number: int, weights_sha256: str) -> dict[str, Array]:
        path = self.state_file(number)
        if not path.exists():
            return {}
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as packed:
                state = {name: packed[name] for name in packed.files}
        except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointDamaged(f"checkpoint {path.name} cannot be read: {error}") from error
        if str(state.pop(WRITTEN, "")) != _digest(state, weights_sha256):
            raise CheckpointDamaged(
                f"checkpoint {path.name} is not what was written with the weights of round {number}: its sha256 differs"
            )
        return state

    def keep(self, numbers: set[int]) -> None:
        """Let every other round's files go with the next ``write``, which clients work meanwhile, or with ``tidy``."""
        self._doomed = self._there - numbers

    def tidy(self) -> None:
        """Delete what need not be kept."""
        for number in self._doomed:
            self._weights_file(number).unlink(missing_ok=True)
            self.state_file(number).unlink(missing_ok=True)
        self._there -= self._doomed
        self._doomed = set()

    def _weights_file(self, number: int) -> Path:
        return self._folder / f"round-{number:06d}.weights"


def _digest(state: dict[str, Array], weights_sha256: str) -> str:
    """Return the sha256 over the weights' own, and each array's name, shape, dtype and values."""
    digest = hashlib.sha256(weights_sha256.encode())
    for name, array in state.items():
        digest.update(f"|{name} {array.dtype.str} {array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
