"""What the clients of a statistics run have told: kept with the run, as a view, and as CSV."""

from collections.abc import Iterator, Mapping
from itertools import chain

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from federation.run.events import StatisticsCollected
from federation.schema.statistics import CELLS, Bins, Histogram
from webapp.db.repository.clients import client_names
from webapp.db.repository.events import add_event
from webapp.db.repository.runs import get_run, set_values, stored_statistics
from webapp.formatting import plural
from webapp.operations.own_data.statistics import (
    ALL,
    HEAD,
    ColumnStatistics,
    DataStatistics,
    rows_of,
    statistics_by_name,
    unique_names,
)
from webapp.sanitizing import csv_cell, csv_text

MAX_BY_CLIENT = 100
"""Of more clients only the sums are kept."""


class BinCounts(BaseModel):
    """Rows below the bins, in each of them, and above; null: not told, because they are too few."""

    client: str = Field(examples=[ALL])
    counts: list[int | None]


class ColumnHistogram(BaseModel):
    """One column in the same bins for all clients. For all together ``counts`` adds up what clients tell."""

    name: str
    edges: list[float] = Field(description="One more than there are bins.")
    withheld: list[int] = Field(description="For each of the counts: the clients that do not tell theirs.")
    rows: list[BinCounts]


class RunStatistics(DataStatistics):
    """The results of a statistics run."""

    silent: list[str] = Field(description="Clients that share no statistics or have not answered.")
    histograms: list[ColumnHistogram]


def write_statistics(session: Session, collected: StatisticsCollected) -> None:
    """Keep the answers with the run."""
    run = get_run(session, collected.run_id)
    if run is None:
        return
    names = unique_names(client_names(session), [*collected.schemas, *collected.silent])
    by_name = {names[client_id]: schema for client_id, schema in collected.schemas.items()}
    found = statistics_by_name(run.dataset, by_name)
    told = {names[client_id]: histograms for client_id, histograms in collected.histograms.items()}
    statistics = RunStatistics(
        name=run.dataset, clients=found.clients, columns=[_cut(column) for column in found.columns],
        silent=[names[client_id] for client_id in collected.silent],
        histograms=[
            _histogram(column, bins, {client: of[column] for client, of in told.items() if column in of})
            for column, bins in collected.question.bins.items()
        ],
    )  # fmt: skip
    set_values(session, run.id, statistics=statistics.model_dump(mode="json"))
    words = f"{plural(len(found.clients), 'client')} told statistics of {plural(len(found.columns), 'column')}"
    add_event(session, "note", {"sentence": words}, run_id=run.id)


def run_statistics(session: Session, run_id: int) -> RunStatistics | None:
    """Return the results of a run; None where it has none."""
    stored = stored_statistics(session, run_id)
    return RunStatistics.model_validate(stored) if stored is not None else None


def run_statistics_csv(statistics: RunStatistics) -> str:
    """Return all results as one table: a line for each column and client, category, or bin."""
    columns = ([*row, "", ""] for row in rows_of(statistics))
    return csv_text(chain([(*HEAD, "from", "to")], columns, *map(_bin_rows, statistics.histograms)))


def _bin_rows(one: ColumnHistogram) -> Iterator[tuple[object, ...]]:
    lower, upper = ["", *map(str, one.edges)], [*map(str, one.edges), ""]
    for row in one.rows:
        for count, begin, end in zip(row.counts, lower, upper, strict=True):
            name, client = csv_cell(one.name), csv_cell(row.client)
            yield name, "bin", client, "", "" if count is None else count, "", "", "", "", begin, end


def _histogram(column: str, bins: Bins, told: Mapping[str, Histogram]) -> ColumnHistogram:
    cells = list(zip(*told.values(), strict=True)) if told else [()] * CELLS
    whole = [sum(filter(None, cell)) for cell in cells]
    rows = [BinCounts(client=client, counts=list(counts)) for client, counts in told.items()]
    return ColumnHistogram(
        name=column, edges=bins.edges, withheld=[sum(count is None for count in cell) for cell in cells],
        rows=[BinCounts(client=ALL, counts=list(whole)), *rows[:MAX_BY_CLIENT]],
    )  # fmt: skip


def _cut(column: ColumnStatistics) -> ColumnStatistics:
    most = MAX_BY_CLIENT + 1
    return column.model_copy(update={"numbers": column.numbers[:most], "categories": column.categories[:most]})
