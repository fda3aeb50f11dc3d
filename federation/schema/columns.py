"""The types: columns and classes that one client tells, and the schema by which all clients of a run encode alike.

No row and no value of a number column is in them: names of columns, categories and classes, and sums over many rows.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_COLUMNS, MAX_CATEGORIES, MAX_AGREED_CATEGORIES, MAX_CLASSES = 2000, 100, 1000, 1000
"""Categories of a column at one client, and over all clients of a run."""
MAX_NAME_CHARACTERS = 200
MAX_DIMENSIONS, MAX_SIDE = 8, 1_000_000
MAX_MAGNITUDE: Final = 1e30
"""The largest number of a table: above it sums of squares lose their meaning, and float32 its range."""

MAX_ROWS: Final = 2**53 - 1
MAX_SQUARES: Final = MAX_ROWS * (2 * MAX_MAGNITUDE) ** 2

MAX_DATA_NAME_CHARACTERS: Final = 40
DATA_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""The name by which runs ask for data of clients' own; it is none of the published data sets."""

Form = Literal["table", "images", "arrays"]
ColumnKind = Literal["number", "category", "date"]
"""A date is the number of days since 1970-01-01."""
TaskKind = Literal["classes", "number"]
"""What the target is; two classes are a binary task."""

ONE_LINE: Final = r"^(?:[^\p{C}\p{Zl}\p{Zp}]|[\u{200C}\u{200D}])*$"
"""No control characters, none that turn the direction of a text; joiners that scripts and emoji need."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=ONE_LINE)]
Rows = Annotated[int, Field(ge=0, le=MAX_ROWS)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Shape = Annotated[list[Side], Field(max_length=MAX_DIMENSIONS)]
Classes = Annotated[list[Name], Field(max_length=MAX_CLASSES)]
Categories = Annotated[list[Name], Field(max_length=MAX_CATEGORIES)]
Counts = dict[Name, Rows | None]
"""Rows by category or class; None where they are fewer than the client tells."""
Magnitude = Annotated[float, Field(ge=-MAX_MAGNITUDE, le=MAX_MAGNITUDE)]


class Told(BaseModel):
    """What a peer tells: other types and further fields are refused or dropped."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class NumberSummary(Told):
    """Sums over the values that are there; ``squares`` is the sum of squared deviations from the mean."""

    count: Rows
    missing: Rows
    mean: Magnitude
    squares: Annotated[float, Field(ge=0, le=MAX_SQUARES)]

    @property
    def deviation(self) -> float:
        """The standard deviation over all values, as numpy's ``std``; 0 without any."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def merged(self, other: Self) -> "NumberSummary":
        """Return the summary over both, by Chan, Golub and LeVeque (1983): nothing is lost by cancellation."""
        count = self.count + other.count
        missing = min(self.missing + other.missing, MAX_ROWS)
        if not count:
            return NumberSummary(count=0, missing=missing, mean=0.0, squares=0.0)
        delta, share = other.mean - self.mean, other.count / count
        mean = max(-MAX_MAGNITUDE, min(self.mean + delta * share, MAX_MAGNITUDE))  # rounding may exceed it
        squares = self.squares + other.squares + delta * delta * self.count * share
        return NumberSummary(
            count=min(count, MAX_ROWS), missing=missing, mean=mean, squares=min(squares, MAX_SQUARES)
        )  # fmt: skip


class Column(Told):
    """One column of features. ``has_missing``: some row has no value in it.

    ``summary`` (numbers and dates) and ``counts`` (categories) are told only by a client that shares statistics.
    """

    name: Name
    kind: ColumnKind
    has_missing: bool = False
    categories: Categories | None = None
    summary: NumberSummary | None = None
    counts: Annotated[Counts, Field(max_length=MAX_CATEGORIES)] | None = None


class ClientSchema(Told):
    """What a client tells of its data. ``columns`` is empty for images and arrays, ``shape`` for tables.

    ``rows`` counts the rows that have a target. ``class_counts`` and ``target_summary`` are told only by a client that
    shares statistics.
    """

    form: Form
    task: TaskKind
    target: Name
    classes: Classes = Field(default_factory=list)
    columns: Annotated[list[Column], Field(max_length=MAX_COLUMNS)] = Field(default_factory=list)
    shape: Shape = Field(default_factory=list)
    rows: Rows
    class_counts: Annotated[Counts, Field(max_length=MAX_CLASSES)] | None = None
    target_summary: NumberSummary | None = None

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for names in (self.classes, [column.name for column in self.columns]):
            if len(set(names)) < len(names):
                raise ValueError("a column or class is named twice")
        return self

    @property
    def shares_statistics(self) -> bool:
        """Say whether any sum or count is told."""
        told = self.class_counts is not None or self.target_summary is not None
        return told or any(c.summary is not None or c.counts is not None for c in self.columns)


class AgreedColumn(Told):
    """A column that all clients of a run have. ``deviation`` is 1 where it is unknown or 0.

    ``has_missing``: some client has rows without a value, so a number gets a second feature that says so.
    """

    name: Name
    kind: ColumnKind
    has_missing: bool = False
    mean: Magnitude = 0.0
    deviation: Annotated[float, Field(gt=0, le=2 * MAX_MAGNITUDE)] = 1.0
    categories: Annotated[list[Name], Field(max_length=MAX_AGREED_CATEGORIES)] = Field(default_factory=list)

    @property
    def features(self) -> int:
        """Number of inputs of a network that the column becomes."""
        return len(self.categories) + 1 if self.kind == "category" else 1 + self.has_missing


class AgreedSchema(Told):
    """How all clients of a run encode their data: common columns in the order of their names, union of classes.

    A target that is a number is trained as (value - ``target_mean``) / ``target_deviation``; metrics are in its unit.
    """

    form: Form
    task: TaskKind
    target: Name
    classes: Classes = Field(default_factory=list)
    columns: Annotated[list[AgreedColumn], Field(max_length=MAX_COLUMNS)] = Field(default_factory=list)
    shape: Shape = Field(default_factory=list)
    target_mean: Magnitude = 0.0
    target_deviation: Annotated[float, Field(gt=0, le=2 * MAX_MAGNITUDE)] = 1.0

    @property
    def inputs(self) -> tuple[int, ...]:
        """The shape of one input of a network."""
        return tuple(self.shape) if self.form != "table" else (sum(column.features for column in self.columns),)
