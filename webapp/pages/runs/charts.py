"""What a page says of a run's curves before any script has run: the figures, and the last values as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from webapp.db.repository.rounds import newest_rounds
from webapp.db.repository.series import Place, clients_of_run, places
from webapp.db.spread import Spread
from webapp.db.tables import Run

ROWS, SLOTS, FEW = 100, 8, 4
USUAL = {"accuracy": "Accuracy", "loss": "Loss"}


@dataclass(frozen=True, slots=True)
class Value:
    """One round of one metric: the mean, and the ends of the clients' spread."""

    round: int
    mean: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart's head: the last value, how it changed, the best one; and the last rounds as a table."""

    metric: str
    title: str
    last: Value | None
    before: Value | None
    best: tuple[float, int] | None
    rows: list[Value]


@dataclass(frozen=True, slots=True)
class Line:
    """A client that a chart may draw as a line, with the slot of its colour; ``default`` where nobody chose."""

    id: int
    name: str
    slot: int
    shown: bool
    default: bool


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The charts of a run; ``more`` are the other metrics that clients report in this phase."""

    run_id: int
    phase: str
    figures: list[Figure]
    more: list[str]


def first_request(charts: RunCharts, lines: Sequence[Line]) -> str:
    """Return what the scripts will ask first, letter by letter, so that a browser asks before they have come."""
    asked: list[tuple[str, str | int]] = [("phase", charts.phase), ("after", -1)]
    asked += [("metric", figure.metric) for figure in charts.figures]
    asked += [("clients", line.id) for line in lines if line.shown][:SLOTS]
    return f"/api/runs/{charts.run_id}/series?{urlencode(asked, safe='*').replace('~', '%7E')}"


def charts_of(session: Session, run: Run, phase: str = "evaluate", metric: str = "") -> RunCharts:
    """Return what the charts of a run say in words: accuracy and loss, and one more metric where it is asked for."""
    titles, more = titles_of([run], phase, metric)
    rows = list(reversed(newest_rounds(session, run.id, limit=ROWS)))
    names = [f"{phase}_{name}" for name in titles]
    spreads = places(session, run.id, names, after=rows[0].round - 1) if rows else []
    means = [(row.round, row.metrics) for row in rows]
    return RunCharts(
        run.id, phase, [_figure(run, phase, name, title, means, spreads) for name, title in titles.items()], more
    )


def titles_of(runs: Iterable[Run], phase: str, metric: str) -> tuple[dict[str, str], list[str]]:
    """Return the metrics that have charts with their titles, and the other ones that any of the runs has in a phase."""
    reported = sorted({name for run in runs for name in (*run.last_metrics, *run.best_metrics)})
    more = [name for key in reported if key.startswith(f"{phase}_") and (name := key[len(phase) + 1 :]) not in USUAL]
    return {**USUAL, **({metric: metric} if metric in more else {})}, more


def lines_of(session: Session, run: Run, asked: str) -> list[Line]:
    """Return the clients of a run as lines; ``asked`` is what the address says: ids with dashes between, or none."""
    clients = clients_of_run(session, run.id)
    few = len(clients) <= FEW
    chosen = [part for part in asked.split("-") if part.isdigit()][:SLOTS] if asked else None
    return [
        Line(c, name, place % SLOTS + 1, few if chosen is None else str(c) in chosen, few)
        for place, (c, name) in enumerate(clients)
    ]


def _figure(
    run: Run, phase: str, metric: str, title: str, rounds: list[tuple[int, dict[str, float | None]]],
    spreads: list[Place],
) -> Figure:  # fmt: skip
    name = f"{phase}_{metric}"
    spread = {place.round: place.spread[name] for place in spreads}
    rows = [_value(r, mean_of(means, name), spread.get(r)) for r, means in rounds]
    best = run.best_metrics.get(name)
    return Figure(
        metric, title, rows[-1] if rows else None, rows[-2] if len(rows) > 1 else None,
        (best["value"], best["round"]) if best else None, rows,
    )  # fmt: skip


def _value(round_: int, mean: float | None, spread: Spread | None) -> Value:
    return Value(round_, mean, spread.least if spread else None, spread.most if spread else None)


def mean_of(means: Mapping[str, float | None], name: str) -> float | None:
    """Return a round's mean: None where there is none, NaN where it is no number (stored as null)."""
    return nan if name in means and means[name] is None else means.get(name)
