"""A zip archive that is made while it is sent: memory holds what was written of it and not sent yet, and no more."""

import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO, NamedTuple, cast

PIECE_BYTES = 1024 * 1024
_MADE_AT = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the same content makes the same archive."""


class Member(NamedTuple):
    """A file of an archive. It is compressed unless ``is_stored``."""

    name: str
    content: Iterable[bytes]
    is_stored: bool = False


class _Sink:
    """The file that an archive is written to: it keeps what was written until the next ``take``, and cannot seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, piece: bytes) -> int:
        """Keep a piece."""
        self._written += piece
        return len(piece)

    def flush(self) -> None:
        """Keep all."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._written = bytes(self._written), bytearray()
        return taken


def zip_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    """Give an archive in pieces. A member is complete before the next one is asked for."""
    sink = _Sink()
    with zipfile.ZipFile(cast(BinaryIO, sink), "w") as archive:
        for name, content, is_stored in members:
            info = zipfile.ZipInfo(name, _MADE_AT)
            info.external_attr = 0o100600 << 16
            info.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                for piece in content:
                    member.write(piece)
                    if taken := sink.take():
                        yield taken
    yield sink.take()


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """Give a file in pieces, and close it."""
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece
