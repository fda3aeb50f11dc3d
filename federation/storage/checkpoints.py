"""Checkpoints of one run: the weights of each kept round, their layout, and the strategy's state."""

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from federation.run.events import Checkpoint
from federation.weights.content_ids import content_id
from federation.weights.files import require_space, write_file
from federation.weights.layout import Buffer, Layout, NumpyArray

State = dict[str, NumpyArray]
"""A strategy's state: named arrays."""

SHA256_NAME = "sha256"
"""Name of the array in a state's file that holds the sha256 over the state and the weights that it belongs to."""


ExportForm = Literal["keras", "onnx", "savedmodel"]
EXPORT_ENDS = tuple(f".{form}" for form in get_args(ExportForm))
"""Of the files of a model that are made of a checkpoint, and lie beside it."""


class CheckpointDamaged(Exception):
    """A checkpoint is missing or is not what was written; the sentence names the file."""


class CheckpointsMissing(CheckpointDamaged):
    """A run has no checkpoints at all, though the database has its rounds."""


def read_layout(folder: Path) -> Layout:
    """Return the layout of the run with that folder. May be called on any thread.

    Raises CheckpointDamaged, and of its kind CheckpointsMissing where there are no weights either.
    """
    try:
        return Layout.from_json(json.loads((folder / "layout.json").read_bytes()))
    except FileNotFoundError as error:
        if any(folder.glob("round-*.weights")):
            raise CheckpointDamaged(f"layout.json of the run cannot be read: {error}") from error
        raise CheckpointsMissing(
            f"no weights are in {folder}. A database and its runs folder belong together: restore both from one backup"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointDamaged(f"layout.json of the run cannot be read: {error}") from error


class Checkpoints:
    """Files of one run in ``folder``: ``layout.json``, ``round-000004.weights``, ``round-000004.state.npz``.

    The file of a state holds a sha256 over itself and its round's weights, so neither is ever read without the other.
    One object writes: that of the run's thread. Others over the same folder may read meanwhile, because a new object
    deletes nothing; what a killed process left half-written is deleted by ``delete_leftovers`` at the start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._rounds = {int(path.name[6:12]) for path in folder.glob("round-*")}
        self._expired: set[int] = set()

    def write_layout(self, layout: Layout) -> None:
        """Write the layout, if it is not there yet. Raises OSError."""
        path = self._folder / "layout.json"
        if not path.exists():
            write_file(path, json.dumps(layout.to_json()).encode())

    def require_space(self, size_bytes: int) -> None:
        """Raise OSError (ENOSPC) if the disk has no room for ``size_bytes`` and the reserve."""
        require_space(self._folder, size_bytes)

    def write(self, number: int, weights: Buffer, state: State, sha256: str | None = None) -> Checkpoint:
        """Write a round's state and then its weights, each atomically.

        Expired rounds are deleted first. ``sha256`` is the weights' own, if the caller knows it. Raises OSError, before
        anything is written if there is not enough room.
        """
        self.delete_expired()
        self.require_space(memoryview(weights).nbytes + sum(array.nbytes for array in state.values()))
        file = self._weights_file(number)
        if state:
            sha256 = sha256 or content_id(weights)
            self._write_state(number, state, _state_digest(state, sha256))
        sha256 = write_file(file, weights, sha256=sha256)
        self._rounds.add(number)
        return Checkpoint(file.name, sha256, memoryview(weights).nbytes)

    def read(self, number: int, checkpoint: Checkpoint) -> tuple[bytearray, State]:
        """Return weights and state of a round.

        Raises CheckpointDamaged if a file cannot be read, is not what was written, or if the two were not written
        together.
        """
        try:
            weights = bytearray((self._folder / checkpoint.file).read_bytes())
        except OSError as error:
            raise CheckpointDamaged(f"checkpoint {checkpoint.file} cannot be read: {error}") from error
        if content_id(weights) != checkpoint.sha256:
            raise CheckpointDamaged(f"checkpoint {checkpoint.file} is damaged: its sha256 differs")
        return weights, self._read_state(number, checkpoint.sha256)

    def state_file(self, number: int) -> Path:
        """Return the path of a round's state; the file exists only if the strategy has a state."""
        return self._folder / f"round-{number:06d}.state.npz"

    def _write_state(self, number: int, state: State, digest: str) -> None:
        packed = io.BytesIO()
        np.savez(packed, **{SHA256_NAME: np.array(digest)}, **state)  # type: ignore[arg-type]  # stubs: allow_pickle
        write_file(self.state_file(number), packed.getbuffer(), sha256=digest)

    def _read_state(self, number: int, weights_sha256: str) -> State:
        path = self.state_file(number)
        if not path.exists():
            return {}
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as packed:
                state = {name: packed[name] for name in packed.files}
        except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointDamaged(f"checkpoint {path.name} cannot be read: {error}") from error
        if str(state.pop(SHA256_NAME, "")) != _state_digest(state, weights_sha256):
            raise CheckpointDamaged(
                f"checkpoint {path.name} does not belong to the weights of round {number:,}: its sha256 differs"
            )
        return state

    def keep(self, numbers: set[int]) -> None:
        """Mark the files of all other rounds as expired.

        They are deleted by the next ``write``, which happens while clients work, or by ``delete_expired``.
        """
        self._expired = self._rounds - numbers

    def delete_expired(self) -> None:
        """Delete the files of the expired rounds."""
        for number in self._expired:
            self._weights_file(number).unlink(missing_ok=True)
            self.state_file(number).unlink(missing_ok=True)
            for end in EXPORT_ENDS:
                self._weights_file(number).with_suffix(end).unlink(missing_ok=True)
        self._rounds -= self._expired
        self._expired = set()

    def _weights_file(self, number: int) -> Path:
        return self._folder / f"round-{number:06d}.weights"


def _state_digest(state: State, weights_sha256: str) -> str:
    """Return the sha256 over the weights' sha256, and each array's name, dtype, shape and values."""
    digest = hashlib.sha256(weights_sha256.encode())
    for name, array in state.items():
        digest.update(f"|{name} {array.dtype.str} {array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
