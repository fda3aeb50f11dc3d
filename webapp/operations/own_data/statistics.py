"""What clients have shared of their own data, over all of them and by client; as a view, and as CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, Field

from federation.schema.agreement import merged_summary
from federation.schema.columns import ClientSchema, ColumnKind, NumberSummary
from webapp.db.tables import Client
from webapp.operations.own_data.held import Told
from webapp.sanitizing import csv_cell, csv_text

ALL = "all clients"
HEAD = ("column", "kind", "client", "category", "count", "missing", "missing_share", "mean", "standard_deviation")


class NumberStatistics(BaseModel):
    """Of a column of numbers or dates, over the rows that have a value; a date is in days since 1970-01-01."""

    client: str = Field(examples=[ALL])
    count: int
    missing: int
    mean: float
    standard_deviation: float = Field(description="Over all values (n), as numpy's std.")

    @property
    def missing_share(self) -> float:
        """The share of the rows without a value."""
        return self.missing / (self.count + self.missing) if self.count + self.missing else 0.0


class CategoryStatistics(BaseModel):
    """Rows by category or class; null: fewer than the client tells, or of some client."""

    client: str = Field(examples=[ALL])
    counts: dict[str, int | None]

    @property
    def total(self) -> int:
        """The rows that are counted."""
        return sum(filter(None, self.counts.values()))


class ColumnStatistics(BaseModel):
    """One column as all clients that share statistics have it, then by client."""

    name: str
    kind: ColumnKind
    is_target: bool = False
    numbers: list[NumberStatistics] = []
    categories: list[CategoryStatistics] = []


class DataStatistics(BaseModel):
    """The target, then the columns in the order of their names."""

    name: str
    clients: list[str] = Field(description="Names of the clients that share statistics.")
    columns: list[ColumnStatistics]


def statistics_of(name: str, clients: Sequence[Client], told: Told) -> DataStatistics:
    """Return the statistics of the data of one name."""
    sharing = [client.id for client in clients if client.id in told and told[client.id].shares_statistics]
    names = unique_names({client.id: client.name for client in clients}, sharing)
    return statistics_by_name(name, {names[client_id]: told[client_id] for client_id in sharing})


def unique_names(names: Mapping[int, str], ids: Sequence[int]) -> dict[int, str]:
    """Return the names of clients; of several with one name each with its id."""
    told = [names.get(client_id, f"client {client_id}") for client_id in ids]
    return {
        client_id: name if told.count(name) == 1 else f"{name} (#{client_id})"
        for client_id, name in zip(ids, told, strict=True)
    }


def statistics_by_name(name: str, sharing: Mapping[str, ClientSchema]) -> DataStatistics:
    """Return the statistics of data of one name, of clients by their names."""
    return DataStatistics(name=name, clients=list(sharing), columns=[*_target(sharing), *_columns(sharing)])


def _target(told: Mapping[str, ClientSchema]) -> Iterator[ColumnStatistics]:
    for target in sorted({one.target for one in told.values()}):
        of = {client: one for client, one in told.items() if one.target == target}
        numbers = _numbers({client: one.target_summary for client, one in of.items()})
        categories = _categories({client: one.class_counts for client, one in of.items()})
        if numbers or categories:
            kind: ColumnKind = "number" if numbers else "category"
            yield ColumnStatistics(name=target, kind=kind, is_target=True, numbers=numbers, categories=categories)


def _columns(told: Mapping[str, ClientSchema]) -> Iterator[ColumnStatistics]:
    held = {client: {column.name: column for column in one.columns} for client, one in told.items()}
    for name in sorted(set().union(*held.values())):
        of = {client: columns[name] for client, columns in held.items() if name in columns}
        numbers = _numbers({client: column.summary for client, column in of.items()})
        categories = _categories({client: column.counts for client, column in of.items()})
        if numbers or categories:
            kind = next(iter(of.values())).kind
            yield ColumnStatistics(name=name, kind=kind, numbers=numbers, categories=categories)


def _numbers(told: Mapping[str, NumberSummary | None]) -> list[NumberStatistics]:
    known = {client: one for client, one in told.items() if one is not None}
    merged = merged_summary(known.values())
    rows = {ALL: merged, **known} if merged is not None else {}
    return [
        NumberStatistics(
            client=client, count=one.count, missing=one.missing, mean=one.mean, standard_deviation=one.deviation
        )
        for client, one in rows.items()
    ]


def _categories(told: Mapping[str, Mapping[str, int | None] | None]) -> list[CategoryStatistics]:
    known = {client: counts for client, counts in told.items() if counts is not None}
    if not known:
        return []
    names = sorted(set().union(*known.values()))
    whole = {name: _sum(counts[name] for counts in known.values() if name in counts) for name in names}
    rows = {ALL: whole, **known}
    return [CategoryStatistics(client=client, counts=dict(counts)) for client, counts in rows.items()]


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum; None where a count is not told, for a sum of the others would look like the whole."""
    known = list(counts)
    return None if None in known else sum(filter(None, known))


def rows_of(statistics: DataStatistics) -> Iterator[list[object]]:
    """Yield the statistics as lines of a table with the columns ``HEAD``, safe for spreadsheets."""
    for column in statistics.columns:
        head = (csv_cell(column.name), column.kind)
        for one in column.numbers:
            yield [*head, csv_cell(one.client), "", one.count, one.missing, one.missing_share, one.mean,
                   one.standard_deviation]  # fmt: skip
        for several in column.categories:
            for category, count in several.counts.items():
                yield [*head, csv_cell(several.client), csv_cell(category), count, "", "", "", ""]


def statistics_csv(statistics: DataStatistics) -> str:
    """Return the statistics as one table: a line for each column and client, and for each category."""
    return csv_text([HEAD, *rows_of(statistics)])
