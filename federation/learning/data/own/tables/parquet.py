"""Parquet files, by pyarrow where it is installed: their columns as the text that a CSV file would hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from federation.learning.data.own.refusals import BadData

BATCH_CELLS = 200_000
MAGIC = b"PAR1"
INDEX_PREFIX = "__index_level_"
"""Begins the name that pandas gives to an index without one."""

_FAILURES = (OSError, ValueError, NotImplementedError, TypeError, KeyError)
"""pyarrow's own exceptions are kinds of these."""


class ParquetRecords:
    """The records of a Parquet file, after one with the names of its columns.

    ``unreadable`` are columns of lists, structures and bytes: their cells are empty.
    """

    delimiter = ""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            raise BadData(
                "a Parquet file needs pyarrow, which is not installed: pip install 'meadow[parquet]', or save it as CSV"
            ) from None
        self._path, self._open = path, pyarrow.parquet.ParquetFile
        try:
            with self._open(path) as file:
                fields = list(file.schema_arrow)
        except _FAILURES:
            raise BadData("this is no readable Parquet file: write it again, or save it as CSV") from None
        self._names = ["" if field.name.startswith(INDEX_PREFIX) else str(field.name) for field in fields]
        self.unreadable = frozenset(str(field.name) for field in fields if _is_unreadable(field.type))

    def __iter__(self) -> Iterator[list[str]]:
        """Read the file from its beginning."""
        yield self._names
        try:
            with self._open(self._path) as file:
                for batch in file.iter_batches(batch_size=max(1, BATCH_CELLS // max(1, len(self._names)))):
                    columns = [self._texts(name, batch.column(at)) for at, name in enumerate(self._names)]
                    yield from (list(record) for record in zip(*columns, strict=True))
        except BadData:
            raise
        except _FAILURES:
            raise BadData("the Parquet file is damaged: write it again, or save it as CSV") from None

    def _texts(self, name: str, column: Any) -> list[str]:
        if name in self.unreadable:
            return [""] * len(column)
        return [text or "" for text in column.cast("string").to_pylist()]


def _is_unreadable(kind: Any) -> bool:
    return kind.num_fields > 0 or "binary" in str(kind)
