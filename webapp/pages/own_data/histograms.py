"""Histograms of a statistics run as bars, over all clients and client by client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from federation.schema.statistics import BINS, CELLS
from webapp.operations.own_data.run_statistics import ColumnHistogram, RunStatistics
from webapp.pages.clients.label_bars import Labels, balance_of

HEIGHT = 40.0
"""Of the tallest bar, in the units of the picture."""
MAX_CLIENTS = 12
MAX_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Picture:
    """The bars of one client, or of all: x, y and height of each that has rows; the picture is ``CELLS`` wide."""

    client: str
    bars: list[tuple[int, float, float]]
    withheld: int
    """Cells without a number."""
    sentence: str


@dataclass(frozen=True, slots=True)
class ColumnPictures:
    """One column: the values at the left edge, in the middle and at the right edge of the bins."""

    name: str
    ticks: tuple[float, float, float]
    all: Picture
    by_client: list[Picture]


@dataclass(frozen=True, slots=True)
class StatisticsView:
    """The results, and the pictures of the first columns."""

    results: RunStatistics
    pictures: list[ColumnPictures]
    balance: Mapping[str, Labels]
    """Client -> the bars of its classes."""

    @property
    def more(self) -> int:
        """How many columns have a histogram that the page does not show."""
        return len(self.results.histograms) - len(self.pictures)


def statistics_view(results: RunStatistics | None) -> StatisticsView | None:
    """Return what a page shows; None before the results are there."""
    if results is None:
        return None
    return StatisticsView(results, [_column(one) for one in results.histograms[:MAX_COLUMNS]], balance_of(results))


def _column(one: ColumnHistogram) -> ColumnPictures:
    whole, *clients = one.rows
    ticks = one.edges[0], one.edges[BINS // 2], one.edges[-1]
    withheld = sum(count > 0 for count in one.withheld)
    return ColumnPictures(
        one.name, ticks, _picture(one, whole.client, whole.counts, withheld),
        [_picture(one, row.client, row.counts, row.counts.count(None)) for row in clients[:MAX_CLIENTS]],
    )  # fmt: skip


def _picture(one: ColumnHistogram, client: str, counts: Sequence[int | None], withheld: int) -> Picture:
    known = [count or 0 for count in counts]
    most = max(known)
    bars = [
        (place, round(HEIGHT - HEIGHT * count / most, 1), round(HEIGHT * count / most, 1))
        for place, count in enumerate(known) if count
    ]  # fmt: skip
    where = known.index(most)
    begin = one.edges[where - 1] if where else None
    end = one.edges[where] if where < CELLS - 1 else None
    between = f"from {begin:g} to {end:g}" if begin is not None and end is not None else "outside of the bins"
    said = f"most rows, {most:,}, {between}" if most else "no number is told"
    return Picture(client, bars, withheld, f"{one.name}, {client}: {said}")
