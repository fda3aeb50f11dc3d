"""A run's charts as the server writes them: the figures above each, and the last values as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from urllib.parse import urlencode

import numpy as np
from sqlalchemy.orm import Session

from federation.learning.evaluation_data import measured_on
from federation.run.metric_goals import SERVER_PHASE, is_evaluated_at_server, measured_instead
from federation.run.pooling import OF_EACH_CLIENT
from webapp.charts.cohorts import Cohort, cohort_of
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.series import Series, values_of
from webapp.db.tables import Run
from webapp.formatting import count, plural
from webapp.formatting import metric as written
from webapp.pages.cut import FEW, Cut, cut
from webapp.pages.measure import measure_of
from webapp.pages.runs.query import RunQuery
from webapp.pages.wording import metric_word

ROWS, SLOTS, DRAWN_UNASKED, MOST_CHANGES = 100, 8, 4, 20
USUAL = {"accuracy": "Accuracy", "rmse": "RMSE", "loss": "Loss"}


@dataclass(frozen=True, slots=True)
class Value:
    """One round of one metric: the mean, the lowest and the highest value of a client, and what the mean is over."""

    round: int
    mean: float | None
    lowest: float | None
    highest: float | None
    clients: int | None
    samples: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """The text of a chart: the last value, the one before, the best one, what they are over; and the rows of its table.

    ``changes`` are the rounds from which on the clients are others, where they are few enough to be marked.
    """

    metric: str
    title: str
    last: Value | None
    before: Value | None
    best: str
    best_round: int | None
    basis: str
    changes: list[int]
    rows: list[Value]


@dataclass(frozen=True, slots=True)
class Line:
    """A client that charts may draw as a line. ``slot`` is its colour, ``default`` whether it is drawn unasked."""

    id: int
    name: str
    slot: int
    shown: bool
    default: bool


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines to choose from: those that are drawn, and the part of the others that is shown."""

    rows: list[Line]
    part: Cut[Line]


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The charts of a run in one phase; ``more`` are the other metrics that clients report in it."""

    run_id: int
    phase: str
    figures: list[Figure]
    more: list[str]

    @property
    def notes(self) -> dict[str, dict[str, object]]:
        """What scripts write beside a chart and mark on it, by phase and metric."""
        return {
            f"{self.phase}_{one.metric}": {
                "round": one.best_round, "best": one.best, "basis": one.basis, "changes": one.changes,
            }
            for one in self.figures
        }  # fmt: skip


def first_request(charts: RunCharts, lines: Sequence[Line]) -> str:
    """Return the address that scripts ask for first, letter by letter, so that a browser can load it before them."""
    query: list[tuple[str, str | int]] = [("phase", charts.phase), ("after", -1)]
    query += [("metric", figure.metric) for figure in charts.figures]
    query += [("clients", line.id) for line in lines if line.shown][:SLOTS]
    return f"/api/runs/{charts.run_id}/series?{urlencode(query, safe='*').replace('~', '%7E')}"


def charts_of(session: Session, series: SeriesCache, run: Run, phase: str = "evaluate", metric: str = "") -> RunCharts:
    """Return what the charts of a run say in words: the usual ones, and one more metric where it is requested."""
    titles, more = titles_of([run], phase, metric)
    figures = [
        _figure(run, phase, name, title, series.read(session, run, phase, name)) for name, title in titles.items()
    ]
    if phase == "evaluate" and is_evaluated_at_server(run.config):
        figures = [
            replace(one, basis="; ".join(filter(None, (one.basis, _at_server(series, session, run, one.metric)))))
            for one in figures
        ]
    return RunCharts(run.id, phase, figures, more)


def titles_of(runs: Iterable[Run], phase: str, metric: str) -> tuple[dict[str, str], list[str]]:
    """Return the metrics that have charts with their titles, and the other ones that any of the runs has in a phase.

    Without a choice these are accuracy (or rmse in its place) and loss; once something is reported, those of the two
    that are, else the first of what is.
    """
    begin = f"{phase}_"
    names = {name for run in runs for name in (*run.last_metrics, *run.best_metrics) if name.startswith(begin)}
    reported = sorted(name.removeprefix(begin) for name in names)
    first = measured_instead("accuracy", reported)
    usual = [name for name in (first, "loss") if name in reported or not reported] or reported[:1]
    more = [name for name in reported if name not in usual]
    shown = [*usual, metric] if metric in more else usual
    return {name: USUAL.get(name) or metric_word(name) for name in shown}, more


def lines_of(session: Session, run: Run, clients: Sequence[tuple[int, str]], query: RunQuery) -> Lines:
    """Return the clients of a run, given by id and name, as lines; the address names those that are drawn.

    Of many a reader sees those that are drawn, then those with the worst values of the last round; they stand in the
    order of their first joining, so that a reader finds them again.
    """
    asked = query.pairs.get("lines", "")
    few = len(clients) <= DRAWN_UNASKED
    chosen = [part for part in asked.split("-") if part.isdigit()][:SLOTS] if asked else None
    lines = [
        Line(c, name, number % SLOTS + 1, few if chosen is None else str(c) in chosen, few)
        for number, (c, name) in enumerate(clients)
    ]
    matching = [line for line in lines if line.shown or query.q.casefold() in line.name.casefold()]
    if len(matching) > FEW:
        ids = [line.id for line in matching]
        measure = measure_of([run], "evaluate", "")
        values = values_of(session, run.id, "evaluate", measure.name, ids, first=run.current_round)
        rank = {c: measure.rank(v) for c, of in values.items() if (v := of.get(run.current_round)) is not None}
        matching.sort(key=lambda line: (not line.shown, rank.get(line.id, inf)))
    shown = cut(matching, query.page_of("chips"))
    part = {line.id for line in shown.rows}
    return Lines([line for line in lines if line.shown or line.id in part], shown)


def _figure(run: Run, phase: str, metric: str, title: str, series: Series) -> Figure:
    rows = [_value(series, round_) for round_ in series["round"][-ROWS:].tolist()]
    best, cohort = run.best_metrics.get(f"{phase}_{metric}"), cohort_of(series)
    changes = cohort.changes if cohort and len(cohort.changes) <= MOST_CHANGES else []
    return Figure(
        metric, title, rows[-1] if rows else None, rows[-2] if len(rows) > 1 else None,
        _best_words(best, metric, series, cohort) if best else "", best["round"] if best else None,
        _basis(run, phase, metric, cohort) if cohort else "", changes, rows,
    )  # fmt: skip


def _basis(run: Run, phase: str, metric: str, cohort: Cohort) -> str:
    """Return what a metric is over: how many clients, which data; and how the clients' values became one."""
    how = "mean of the clients' values; " if metric in OF_EACH_CLIENT else ""
    return f"{cohort_words(cohort)}; {how}{measured_on(run.config, phase)}"


def _at_server(series: SeriesCache, session: Session, run: Run, metric: str) -> str:
    """Return the last value on held-out data at the server, which charts draw as a dashed line; "" where none is."""
    measured = series.read(session, run, SERVER_PHASE, metric)
    known = np.flatnonzero(~np.isnan(measured["mean"]))
    if not len(known):
        return ""
    value, round_, samples = (measured[name][known[-1]].item() for name in ("mean", "round", "samples"))
    return f"dashed: server {written(value, metric)} in round {count(round_)}, test split, n = {count(samples)}"


def _best_words(best: Mapping[str, Any], metric: str, series: Series, cohort: Cohort | None) -> str:
    """Return the best value with its round, and with its clients where another round had more of them."""
    value = f"best {written(best['value'], metric)} in round {count(best['round'])}"
    return ", ".join(filter(None, (value, fewer_clients(series, cohort, best["round"]))))


def fewer_clients(series: Series, cohort: Cohort | None, round_: int) -> str:
    """Return the clients of a round where another round of the run had more: ``2 of 3 clients``; else nothing."""
    spread = series.spread_in(round_)
    if spread is None or cohort is None or spread.clients >= cohort.most:
        return ""
    return f"{count(spread.clients)} of {plural(cohort.most, 'client')}"


def cohort_words(cohort: Cohort) -> str:
    """Return how many clients and samples a mean is over, and since when: ``2 of 3 clients since round 3``."""
    samples = f", {plural(cohort.samples, 'sample')}" if cohort.samples else ""
    if len(cohort.changes) > MOST_CHANGES:
        least = f"{count(cohort.least)} to " if cohort.least < cohort.most else ""
        return f"{least}{plural(cohort.most, 'client')} per round{samples} in the last"
    fewer = f"{count(cohort.clients)} of " if cohort.clients < cohort.most else ""
    since = f" since round {count(cohort.changes[-1])}" if cohort.changes else ""
    return f"{fewer}{plural(cohort.most, 'client')}{since}{samples}"


def _value(series: Series, round_: int) -> Value:
    mean, spread = series.mean_in(round_), series.spread_in(round_)
    if spread is None:
        return Value(round_, mean, None, None, None, None)
    return Value(round_, mean, spread.min, spread.max, spread.clients, spread.samples or None)
