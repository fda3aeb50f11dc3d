"""An uploaded archive of a run: refused unless each byte is what its manifest says, and each row fits the schema.

No member is ever written under its own name, sizes are bounded before bytes are read, and one member is read at a time.
"""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeVar, cast

from pydantic import ValidationError

from webapp.operations.transfer.documents import (
    CARD,
    CSV,
    KERAS,
    MANIFEST,
    MODELS,
    ROWS,
    RUN,
    Document,
    Manifest,
    RunDocument,
)  # fmt: skip
from webapp.operations.transfer.event_data import EVENT_DATA

PIECE_BYTES = 1024 * 1024
MAX_LINE = 1024 * 1024
MAX_DIRECTORY = 64 * 1024
MAX_TABLE = 512 * 1024 * 1024
NEEDED = {MANIFEST, RUN, *(f"{table}.json" for table in ROWS)}
LIMITS = {MANIFEST: 64 * 1024, RUN: 16 * 1024 * 1024, CARD: 16 * 1024 * 1024, CSV: MAX_TABLE} | {
    f"{table}.json": MAX_TABLE for table in ROWS
}
"""Bytes of each member but the models, once it is unpacked."""

_END = struct.Struct("<4s4H2LH")
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, ValueError, OverflowError, OSError, EOFError, RuntimeError, NotImplementedError,
)  # fmt: skip
D = TypeVar("D", bound=Document)


class ArchiveRefused(Exception):
    """The archive is not one that Meadow has written; the sentence says why."""


class Archive:
    """A checked archive. Raises ArchiveRefused, at any time: a file may be damaged while it is read."""

    def __init__(self, file: BinaryIO, max_weights_bytes: int) -> None:
        _check_end(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except _UNREADABLE as error:
            raise ArchiveRefused(f"it is no zip archive: {_short(error)}") from error
        self.sizes = self._check_members(max_weights_bytes)
        content = self.read(MANIFEST)
        self.manifest_sha256 = hashlib.sha256(content).hexdigest()
        self._check_hashes(_parsed(Manifest, content, MANIFEST))
        self.run = _parsed(RunDocument, self.read(RUN), RUN)

    def _check_members(self, max_weights_bytes: int) -> dict[str, int]:
        limits = LIMITS | dict.fromkeys((*MODELS.values(), KERAS), 2 * max_weights_bytes + PIECE_BYTES)
        sizes: dict[str, int] = {}
        for member in self._zip.infolist():
            name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
            if name not in limits or name in sizes:
                raise ArchiveRefused(f"{_short(name)!r} is {'there twice' if name in sizes else 'not part of a run'}")
            if member.flag_bits & 1 or kind not in (0, stat.S_IFREG):
                raise ArchiveRefused(f"{name} is encrypted, or no file")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveRefused(f"{name} is compressed in a way that Meadow does not use")
            if member.file_size > limits[name]:
                raise ArchiveRefused(f"{name} has {member.file_size:,} bytes, at most {limits[name]:,} are accepted")
            sizes[name] = member.file_size
        if missing := NEEDED - set(sizes):
            raise ArchiveRefused(f"{min(missing)} is missing")
        return sizes

    def _check_hashes(self, manifest: Manifest) -> None:
        said = {member.name: member for member in manifest.members}
        if len(said) != len(manifest.members) or set(said) != set(self.sizes) - {MANIFEST}:
            raise ArchiveRefused(f"{MANIFEST} does not name the files that are there")
        for name, member in said.items():
            digest = hashlib.sha256()
            for piece in self._pieces(name):
                digest.update(piece)
            if (member.size_bytes, member.sha256) != (self.sizes[name], digest.hexdigest()):
                raise ArchiveRefused(f"{name} is not what {MANIFEST} says: size or sha256 differs")

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as member:
                while piece := member.read(PIECE_BYTES):
                    yield piece
        except _UNREADABLE as error:
            raise ArchiveRefused(f"{name} is damaged: {_short(error)}") from error

    def read(self, name: str) -> bytes:
        """Return a member as a whole; its size was checked."""
        return b"".join(self._pieces(name))

    def rows(self, table: str) -> Iterator[Any]:
        """Give the rows of a table, each checked by its schema."""
        name, kind, number = f"{table}.json", ROWS[table], 0
        for number, line in enumerate(self._lines(name)):
            row: Any = _parsed(kind, line, f"{name}, row {number + 1}")
            if table == "events":
                _parsed(EVENT_DATA[row.type], line, f"{name}, row {number + 1}", row.data)
            yield row

    def _lines(self, name: str) -> Iterator[bytes]:
        """Give the lines of a JSON array with a row a line, without brackets and commas."""
        try:
            with self._zip.open(name) as member, io.BufferedReader(cast(io.RawIOBase, member)) as reader:
                if reader.readline(3) != b"[\n":
                    raise ArchiveRefused(f"{name} is not an array with a row a line")
                more = True
                while (line := reader.readline(MAX_LINE)) != b"]\n":
                    if not more or not line.endswith(b"\n"):
                        raise ArchiveRefused(f"{name} is not an array with a row a line")
                    more = line.endswith(b",\n")
                    yield line.rstrip(b",\n")
                if reader.read(1):
                    raise ArchiveRefused(f"{name} continues after its end")
        except _UNREADABLE as error:
            raise ArchiveRefused(f"{name} is damaged: {_short(error)}") from error


def _check_end(file: BinaryIO) -> None:
    """Refuse what does not end with a small directory of few members, before anything reads that directory."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END.size))
    tail = file.read(_END.size)
    file.seek(0)
    if len(tail) < _END.size:
        raise ArchiveRefused("it is no zip archive")
    signature, *disks, entries, length, start, comment = _END.unpack(tail)
    if signature != b"PK\5\6" or disks[:2] != [0, 0] or comment or start + length + _END.size != size:
        raise ArchiveRefused("it is no zip archive that Meadow has written")
    if entries > len(LIMITS) + len(MODELS) + 1 or length > MAX_DIRECTORY:
        raise ArchiveRefused(f"it has {entries} files")


def _parsed(kind: type[D], content: bytes, where: str, data: Any = None) -> D:
    try:
        return kind.model_validate_json(content) if data is None else kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ArchiveRefused(f"{_short(where)}: {_short(field)}: {_short(first['msg'])}") from error


def _short(what: object) -> str:
    return " ".join(str(what).split())[:120]
