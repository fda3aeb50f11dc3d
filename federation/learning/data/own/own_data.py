"""Data of a person's own: what a server may know of them, and the samples that a run trains and tests on."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from federation.learning.data.datasets import Part
from federation.learning.data.formats import Samples
from federation.learning.data.own.arrays import read_arrays
from federation.learning.data.own.images import read_images
from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.refusals import BadData
from federation.learning.data.own.summaries import counts_of, histogram, summary_of
from federation.learning.data.own.tables.parquet import MAGIC, ParquetRecords
from federation.learning.data.own.tables.reading import read_table
from federation.learning.data.own.tables.text_files import open_text
from federation.learning.data.own.targets import Target
from federation.learning.data.partitioning import TEST_SHARE, held_out_size
from federation.schema.columns import AgreedSchema, ClientSchema, Column, Form
from federation.schema.statistics import Bins, StatisticsQuestion

MAX_SCHEMA_BYTES = 200_000
"""Of the schema as JSON in ASCII: a client's hello has at most 256 KiB."""

MIN_ROWS = 2
"""One row to train on and one to test on."""


class Held(Protocol):
    """Rows of data of one form."""

    @property
    def form(self) -> Form:
        """Table, images or arrays."""

    @property
    def target(self) -> Target:
        """What is predicted."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input; () for a table."""

    def columns(self, sharing: Sharing) -> list[Column]:
        """Return what a server may know of a table's columns."""

    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """Return a table's columns of numbers and dates by name, nan where there is none."""

    def subset(self, rows: NDArray[np.int64]) -> "Held":
        """Return these rows."""

    def inputs(self, rows: NDArray[np.int64], agreed: AgreedSchema) -> NDArray[np.float32]:
        """Return these rows as a network takes them."""


class OwnData:
    """Rows of a person's own, as one client holds them.

    Raises BadData for fewer rows than a client needs, and for more names than a server can be told.
    """

    def __init__(self, held: Held, sharing: Sharing) -> None:
        if len(held.target) < MIN_ROWS:
            raise BadData(f"rows with a target: {len(held.target):,}; at least {MIN_ROWS} are needed, one to train on "
                          "and one to test on")  # fmt: skip
        self._held, self._sharing = held, sharing
        self._bins: dict[str, Bins] = {}
        """The bins in which the rows of each column were told."""
        self.schema = self._told()
        """What a server may know."""
        if len(json.dumps(self.schema.model_dump(exclude_none=True))) > MAX_SCHEMA_BYTES:
            raise BadData("the names of columns, categories and classes, with the statistics, have more than "
                          f"{MAX_SCHEMA_BYTES:,} bytes: leave columns out with --ignore")  # fmt: skip

    def __len__(self) -> int:
        """Return the number of rows that have a target."""
        return len(self._held.target)

    def _told(self) -> ClientSchema:
        held, target, sharing = self._held, self._held.target, self._sharing
        is_number = target.task == "number"
        return ClientSchema(
            form=held.form, task=target.task, target=target.name, classes=list(target.classes),
            columns=held.columns(sharing), shape=list(held.shape), rows=len(target),
            class_counts=None if is_number else counts_of(target.classes, target.values, sharing),
            target_summary=summary_of(target.values, sharing) if is_number else None,
        )  # fmt: skip

    @property
    def shares_test_counts(self) -> bool:
        """Whether results on the rows for tests may be told by class: each class has the minimum of rows there."""
        target = self._held.target
        sizes = np.bincount(target.values) if target.classes else np.array([len(target)])
        return self._sharing.statistics and bool((sizes * TEST_SHARE >= self._sharing.min_rows).all())

    def part(self, agreed: AgreedSchema, seed: int) -> Part:
        """Return the samples as the clients of a run have agreed; the seed decides which are for tests."""
        labels = self._held.target.labels(agreed)
        train, test = (
            Samples(self._held.inputs(rows, agreed), labels[rows]) for rows in hold_out(self._held.target, seed)
        )
        return Part(train, test)

    def histograms(self, question: StatisticsQuestion) -> dict[str, list[int | None]]:
        """Return the rows in each cell of the bins, by column; without those that are not told.

        Rows in other bins would tell of fewer rows than the minimum by comparison, so a column is told in one way only
        as long as the process lasts.
        """
        held, target = self._held.numbers(), self._held.target
        if target.task == "number":
            held = {**held, target.name: target.values}
        told: dict[str, list[int | None]] = {}
        for name, bins in question.bins.items():
            if name in held and self._bins.setdefault(name, bins) == bins:
                counts = histogram(held[name], bins, self._sharing)
                told |= {name: counts} if counts is not None else {}
        return told

    def share(self, part: int, parts: int) -> "OwnData":
        """Return the data of one of several clients: rows at random, as many as others have or one more.

        Raises BadData for too few rows.
        """
        if len(self) < parts * MIN_ROWS:
            raise BadData(f"{len(self):,} rows cannot be divided among {parts:,} clients of at least {MIN_ROWS}")
        rows = np.sort(self._shuffled[part * len(self) // parts : (part + 1) * len(self) // parts])
        return OwnData(self._held.subset(rows), self._sharing)

    @cached_property
    def _shuffled(self) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(len(self))


def hold_out(target: Target, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on and those to test on, a fifth of each class; neither is empty."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(target))
    if target.classes:
        order = order[np.argsort(target.values[order], kind="stable")]
    size = held_out_size(len(order), TEST_SHARE)
    places = ((np.arange(size) + rng.random()) * (len(order) / size)).astype(np.int64)
    places = np.minimum(places, len(order) - 1)
    return rng.permutation(np.delete(order, places)), order[places]


def read(path: Path, options: Options, sharing: Sharing) -> OwnData:
    """Read a folder of images, an .npz file, or a table; raises BadData."""
    try:
        return OwnData(_reader_of(path)(path, options), sharing)
    except OSError as error:
        raise BadData(
            f"the data cannot be read: {error.strerror or 'an error of the file system'}", str(path)
        ) from None


def _reader_of(path: Path) -> Callable[[Path, Options], Held]:
    if path.is_dir():
        return read_images
    if path.exists() and not path.is_file():
        raise BadData("the data must be a file or a folder, which are read twice", str(path))
    with open(path, "rb") as stream:
        head = stream.read(len(MAGIC))
    if path.suffix.lower() == ".npz":
        return read_arrays
    if head == MAGIC:
        return lambda file, options: read_table(ParquetRecords(file), options)
    return lambda file, options: read_table(open_text(file), options)
