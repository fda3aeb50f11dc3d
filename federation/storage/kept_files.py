"""The files of all runs beside the database: uploads and exports, what a killed process left, and how much there is."""

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from pathlib import Path
from threading import Lock

from federation.run.events import Checkpoint
from federation.storage.checkpoints import EXPORT_ENDS, Checkpoints, read_layout
from federation.storage.keras_export import KerasExports, exports_in
from federation.storage.uploads import Uploads
from federation.weights.layout import Buffer, Layout

MAX_AGE_SECONDS = 10.0
"""A count of all files is shown for this long: it reads the folder of each run."""


class FileKind(StrEnum):
    """What a file is for; one of a folder of ``runs`` that is no run's has the last kind."""

    CHECKPOINT = "checkpoint"
    EXPORT = "export"
    INITIAL = "initial"
    UPLOAD = "upload"
    OTHER = "other"


@dataclass(slots=True)
class Usage:
    """How many files there are of a kind, and their size together."""

    files: int = 0
    size_bytes: int = 0


class KeptFiles:
    """The files of all runs. ``folder`` holds a folder for each run; any thread may use this object.

    Checkpoints are written by the thread of their run. Made at the start of a process, it deletes what a killed one
    left half-written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._networks = folder, folder.parent / "networks"
        self.uploads, self.exports = Uploads(self._networks), KerasExports(folder)
        self._counting, self._counted_at = Lock(), -inf
        self._counted: dict[FileKind, Usage] = {}
        delete_leftovers(folder)

    def keep_weights(self, run_id: int, layout: Layout, number: int, weights: Buffer) -> tuple[str, int]:
        """Write the weights of a round of an imported run; return their sha256 and size. Raises OSError."""
        kept = Checkpoints(self._folder / str(run_id))
        kept.write_layout(layout)
        checkpoint = kept.write(number, weights, {})
        return checkpoint.sha256, checkpoint.size_bytes

    def copy_round(self, run_id: int, number: int, checkpoint: Checkpoint) -> str:
        """Keep a copy of a round's weights as uploaded ones, whatever becomes of the run; return their id.

        Raises CheckpointDamaged, and OSError if the disk does not take it.
        """
        folder = self._folder / str(run_id)
        layout = read_layout(folder)
        return self.uploads.keep_weights(layout, Checkpoints(folder).read(number, checkpoint)[0]).id

    def usage(self, run_ids: Collection[int]) -> dict[FileKind, Usage]:
        """Return how many files there are of each kind, as it was up to ten seconds ago; ``run_ids`` are all runs'."""
        with self._counting:
            if time.monotonic() - self._counted_at > MAX_AGE_SECONDS:
                self._counted, self._counted_at = self._count(set(map(str, run_ids))), time.monotonic()
            return self._counted

    def _count(self, names: Collection[str]) -> dict[FileKind, Usage]:
        usage = {kind: Usage() for kind in FileKind}
        for entry in _entries(self._networks):
            _add(usage[FileKind.UPLOAD if entry.name.startswith("upload-") else FileKind.INITIAL], entry)
        for folder in _entries(self._folder):
            for entry in _entries(folder.path):
                kind = FileKind.EXPORT if entry.name.endswith(EXPORT_ENDS) else FileKind.CHECKPOINT
                _add(usage[kind if folder.name in names else FileKind.OTHER], entry)
        return usage


def _add(usage: Usage, entry: os.DirEntry[str]) -> None:
    """Count one file; not if it has just been deleted."""
    with contextlib.suppress(FileNotFoundError):
        usage.size_bytes += entry.stat().st_size
        usage.files += 1


def delete_leftovers(runs: Path) -> None:
    """Delete what a killed process left: half-written files, and models' files whose checkpoint was deleted.

    ``runs`` has a folder for each run; the initial weights are beside it. Call it before any run is started. A file
    that cannot be deleted stays.
    """
    written = (*runs.glob("*/.round-*"), *runs.glob("*/.layout.json.*"), *(runs.parent / "networks").glob(".*"))
    exports = (file for file in exports_in(runs) if not file.with_suffix(".weights").exists())
    for file in (*written, *exports):
        with contextlib.suppress(OSError):
            file.unlink()


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing if it does not exist, or no longer."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
