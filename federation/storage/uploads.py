"""Uploaded initial weights of network custom: an .npz is checked, converted to a flat buffer and kept under its id."""

import json
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from federation.aggregation.reply_checks import check_finite
from federation.storage.hdf5 import MAGIC, BadHdf5, unpacked
from federation.weights.content_ids import content_id
from federation.weights.files import delete_all_but_newest, require_space, write_file
from federation.weights.layout import Layout, LayoutRow, NumpyArray

MAX_ARRAYS, MAX_NAME_CHARACTERS = 10_000, 200
KEPT_UPLOADS = 8
"""So many uploads stay that no run names yet."""

UNREADABLE = (
    zipfile.BadZipFile, zlib.error, ValueError, TypeError, OverflowError, OSError, EOFError, RuntimeError, MemoryError,
)  # fmt: skip
"""The exceptions of zipfile and numpy for an archive that is damaged, encrypted, or compressed in an unknown way, or
whose headers lie."""


class UploadUnusable(Exception):
    """An uploaded file is refused, or kept weights cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class UploadedWeights:
    """Uploaded initial weights: the id for ``initial_weights`` of a run, their layout, and their size."""

    id: str
    layout: list[LayoutRow]
    size_bytes: int


class Uploads:
    """Uploaded weights in a folder, each as two files. Any thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, packed: BinaryIO, max_bytes: int) -> UploadedWeights:
        """Keep the arrays of an .npz, or of an .h5 as Keras 2 wrote it, as initial weights.

        The id is the sha256 of layout and buffer. Nothing is unpickled, and no archive is read whose arrays have more
        than ``max_bytes`` by its own headers. Raises UploadUnusable, and OSError if the disk does not take it.
        """
        is_hdf5 = packed.read(len(MAGIC)) == MAGIC
        packed.seek(0)
        if not is_hdf5:
            return self.keep_weights(*read_npz(packed, max_bytes))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with unpacked(packed, self._folder, max_bytes) as npz:
                return self.keep_weights(*read_npz(npz, max_bytes))
        except BadHdf5 as error:
            raise UploadUnusable(str(error)) from error

    def keep_weights(self, layout: Layout, weights: bytearray) -> UploadedWeights:
        """Keep weights in memory as ``keep`` keeps those of an archive."""
        if not weights:
            raise UploadUnusable("the archive holds no values" if layout.entries else "the archive holds no arrays")
        if (refusal := check_finite(layout.flats(weights))) is not None:
            raise UploadUnusable(refusal)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        require_space(self._folder, len(weights))
        description = json.dumps({"layout": layout.to_json()}).encode()
        upload_id = content_id(description, weights)
        write_file(self._file(upload_id, ".weights"), weights, shared=True)
        write_file(self._file(upload_id, ".json"), description, shared=True)
        return UploadedWeights(upload_id, layout.to_json(), layout.size_bytes)

    def holds(self, upload_id: str) -> bool:
        """Say whether there are uploaded weights of that id."""
        return self._file(upload_id, ".json").is_file()

    def read(self, upload_id: str) -> tuple[Layout, bytearray]:
        """Return the layout and the weights of an upload; raises UploadUnusable."""
        try:
            return read_weights(self._file(upload_id, ""))
        except FileNotFoundError as error:
            raise UploadUnusable("the uploaded weights were deleted: upload them again") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UploadUnusable("the uploaded weights are damaged: upload them again") from error

    def parameters(self, upload_id: str) -> int:
        """Return the number of values of an upload, whose weights are not read; raises UploadUnusable."""
        try:
            rows = json.loads(self._file(upload_id, ".json").read_bytes())["layout"]
            return Layout.from_json(rows).parameters
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UploadUnusable("the uploaded weights were deleted or are damaged: upload them again") from error

    def delete(self, upload_id: str) -> None:
        """Delete uploaded weights, if they are there."""
        for ending in (".json", ".weights"):
            self._file(upload_id, ending).unlink(missing_ok=True)

    def delete_unnamed(self, named: Collection[str]) -> None:
        """Delete the uploads that no run names, but for the newest: a run may name one of those soon."""
        kept = {self._file(upload_id, ".weights") for upload_id in named}
        unnamed = [file for file in self._folder.glob("upload-*.weights") if file not in kept]
        delete_all_but_newest(unnamed, KEPT_UPLOADS)

    def _file(self, upload_id: str, ending: str) -> Path:
        return self._folder / f"upload-{upload_id}{ending}"


def read_weights(stem: Path) -> tuple[Layout, bytearray]:
    """Read ``STEM.json`` and ``STEM.weights``; damaged files raise OSError, ValueError, TypeError or KeyError."""
    layout = Layout.from_json(json.loads(stem.with_suffix(".json").read_bytes())["layout"])
    weights = bytearray(stem.with_suffix(".weights").read_bytes())
    layout.flats(weights)
    return layout, weights


def read_npz(packed: IO[bytes], max_bytes: int) -> tuple[Layout, bytearray]:
    """Return the arrays of an .npz as weights, with their layout; nothing is unpickled. Raises UploadUnusable."""
    try:
        held = _arrays_in(packed, max_bytes)
        layout = Layout.from_json(Layout.of(list(held), list(held.values())).to_json())
        return layout, layout.pack(list(held.values()))
    except UNREADABLE as error:
        why = " ".join(str(error).split())[:200]
        raise UploadUnusable(f"not an .npz of plain arrays: {why or 'it is cut off'}") from error


def _arrays_in(packed: IO[bytes], max_bytes: int) -> dict[str, NumpyArray]:
    """Return the arrays of an .npz by name, in its order; raises UploadUnusable or an exception of ``UNREADABLE``."""
    arrays: dict[str, NumpyArray] = {}
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > max_bytes:
            raise UploadUnusable(f"the arrays have more than {max_bytes:,} bytes")
        if len(members) > MAX_ARRAYS:
            raise UploadUnusable(f"there are more than {MAX_ARRAYS:,} arrays in it")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise ValueError(f"{name[:100]!r} is not an .npy file")
            if not _is_safe_name(name):
                raise ValueError(f"{name[:100]!r} is not a valid array name")
            if name in arrays:
                raise ValueError(f"there are two arrays {name[:100]!r}")
            with archive.open(member) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _is_safe_name(name: str) -> bool:
    """Say whether a name may be that of a file in an archive that others unpack: printable, and within the folder."""
    leads_out = name.startswith("/") or "\\" in name or ".." in name.split("/")
    return 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not leads_out
