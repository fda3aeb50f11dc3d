"""Text files with a table: their encoding, their delimiter, and their records, a bounded part of the file at a time."""

import codecs
import contextlib
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from federation.learning.data.own.refusals import BadData

DELIMITERS = "\t;|,"
"""In the order of preference: with a decimal comma, a comma also cuts each row into as many cells."""

SAMPLE_RECORDS = 100
MAX_LINE_CHARACTERS = 2**22
_BLOCK_BYTES = 2**20
_OTHER_FILES = {
    b"PK\x03\x04": "a workbook or another zip file", b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file", b"%PDF": "a PDF", b"SQLite format 3": "an SQLite database",
}  # fmt: skip


@dataclass(frozen=True)
class TextRecords:
    """The records of a CSV or TSV file, the first one included; a blank line is an empty record."""

    path: Path
    encoding: str
    delimiter: str
    unreadable: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[list[str]]:
        """Read the file from its beginning; raises BadData where quotation marks do not match."""
        number = 0
        with open(self.path, encoding=self.encoding, newline="") as stream:
            reader = csv.reader(_lines(stream), delimiter=self.delimiter, skipinitialspace=True, strict=True)
            try:
                for number, record in enumerate(reader, 1):  # noqa: B007
                    yield record
            except csv.Error:
                raise BadData(
                    f"row {number + 1:,}: a quotation mark is not closed or stands inside of a cell: "
                    f"correct it (inside of a quoted cell it is doubled)"
                ) from None


def open_text(path: Path) -> TextRecords:
    """Find out how a file is written; raises BadData for one that is no text."""
    encoding = _encoding_of(path)
    return max((TextRecords(path, encoding, delimiter) for delimiter in DELIMITERS), key=_agreement)


def _encoding_of(path: Path) -> str:
    with open(path, "rb") as stream:
        head = stream.read(4096)
    for magic, kind in _OTHER_FILES.items():
        if head.startswith(magic):
            raise BadData(f"this is {kind}, not a table as text: save it as CSV")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    elif b"\0" in head:  # text in UTF-16 has a zero byte beside each plain letter
        candidates = ["utf-16-le"] if head[1::2].count(0) > head[::2].count(0) else ["utf-16-be"]
    else:
        candidates = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in candidates:
        if _decodes(path, encoding):
            return encoding
    raise BadData("this is no text: save the table as CSV, in UTF-8")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_CHARACTERS):
        if len(line) == MAX_LINE_CHARACTERS:
            raise BadData(f"a line is longer than {MAX_LINE_CHARACTERS:,} characters: save the table as CSV, in UTF-8")
        yield line


def _agreement(records: TextRecords) -> float:
    """Return which share of the first records has as many cells as the first one; 0 if that is one cell."""
    widths = list[int]()
    with contextlib.suppress(BadData):  # it comes again when the table is read
        widths.extend(len(record) for record in islice(records, SAMPLE_RECORDS) if record)
    return sum(width == widths[0] for width in widths) / len(widths) if widths and widths[0] > 1 else 0.0
