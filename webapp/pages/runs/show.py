"""One run's page: its head, its charts and their lines, its rounds, its events, its configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.run.networks import trains_own_data
from federation.server.flower_server import LiveClient
from webapp.charts.cohorts import cohort_of
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.clients import client_names, list_clients
from webapp.db.repository.rounds import Trouble, first_troubles, newest_rounds
from webapp.db.repository.series import Series, clients_of_run, values_of
from webapp.db.spread import Spread
from webapp.db.tables import Client, Round, Run
from webapp.formatting import count
from webapp.operations.evaluation.confusion import Confusion, confusions_of
from webapp.operations.evaluation.results import EvaluationResults, evaluation_results
from webapp.operations.files.downloads import Model
from webapp.operations.own_data.run_statistics import run_statistics
from webapp.pages.clients.rows import ClientNow, Split, clients_now, split
from webapp.pages.cut import Cut
from webapp.pages.measure import Measure, measure_of
from webapp.pages.own_data.histograms import StatisticsView, statistics_view
from webapp.pages.runs.buttons import Buttons, buttons_of
from webapp.pages.runs.charts import Lines, RunCharts, charts_of, fewer_clients, lines_of
from webapp.pages.runs.head import RunHead, head_of, tasks_of
from webapp.pages.runs.heatmap import Heatmap, heatmap_of
from webapp.pages.runs.log import Log, log_of
from webapp.pages.runs.query import RunQuery
from webapp.pages.runs.timeline import Timeline, timeline_of
from webapp.pages.start.fields import ConfigLine, config_lines
from webapp.pages.start.schedules import scheduled_options, scheduled_words
from webapp.pages.wording import OUTCOMES, listed

FEW_ROUNDS, MANY_ROUNDS, MAX_ISSUES = 12, 250, 3


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One committed round as a row of the table: ``value`` is that of the page's measure, ``spread`` its clients'."""

    row: Round
    value: float | None
    before: float | None
    loss: float | None
    best: bool
    spread: Spread | None
    worst: str
    replies: str
    scheduled: str
    happened: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """All that a run's page shows."""

    run: Run
    measure: Measure
    """The metric that the table of rounds and the heatmap open on."""
    head: RunHead
    charts: RunCharts
    lines: Lines
    clients: Cut[ClientNow]
    seats: Cut[ClientNow]
    rounds: list[RoundLine]
    total_rounds: int
    log: Log
    config: list[ConfigLine]
    buttons: Buttons
    parted: Split
    heatmap: Heatmap | None
    timeline: Timeline | None
    models: list[Model]
    best_clients: str
    """``2 of 3 clients`` where the best model was not evaluated by all clients of the run; else empty."""
    known: Sequence[Client]
    confusions: list[Confusion]
    evaluation: EvaluationResults | None
    """The results of a run that only evaluates."""
    statistics: StatisticsView | None
    """The results of a statistics run."""

    @property
    def trains_own_data(self) -> bool:
        """Whether the clients of the run agree on a schema of their own data."""
        return self.run.kind != "statistics" and trains_own_data(self.run.network, self.run.dataset)


def run_page(
    session: Session, series: SeriesCache, run: Run, live: Mapping[int, LiveClient], query: RunQuery,
    models: list[Model],
) -> RunPage:  # fmt: skip
    """Gather a run's page; only the newest rounds unless the query wants all."""
    known = list_clients(session)
    names, of_run = client_names(session), clients_of_run(session, run.id)
    measure = measure_of([run], "evaluate", "")
    main, loss = (series.read(session, run, "evaluate", one) for one in (measure.name, "loss"))
    head, parted = head_of(session, run, measure, main, tasks_of(run, live, names)), split(session, run, known, live)
    limit = MANY_ROUNDS if query.all_rounds else FEW_ROUNDS
    part = parted.taking_part if head.active else []
    seats = [client for client in part if client.id in live and head.wait is not None]
    return RunPage(
        run, measure, head, charts_of(session, series, run, query.phase, query.metric),
        lines_of(session, run, of_run, query), clients_now(session, run, part, live, query.q, query.page_of("clients")),
        clients_now(session, run, seats, live),
        _rounds(
            session, run, measure, (main, loss), names,
            newest_rounds(session, run.id, before=query.below, limit=limit),
        ),
        run.current_round, log_of(session, run.id, names, query.events, query.before), config_lines(run.config, names),
        buttons_of(run, parted, live), parted,
        heatmap_of(session, run, of_run, measure, main, query) if run.num_rounds else None,
        timeline_of(session, run, query), models,
        next((fewer_clients(main, cohort_of(main), one.round) for one in models if one.which == "best"), ""),
        known, confusions_of(session, run, query.confusion),
        evaluation_results(session, run) if run.kind == "evaluation" else None,
        statistics_view(run_statistics(session, run.id)) if run.kind == "statistics" else None,
    )  # fmt: skip


def _rounds(
    session: Session, run: Run, measure: Measure, series: tuple[Series, Series], names: Mapping[int, str],
    rounds: Sequence[Round],
) -> list[RoundLine]:  # fmt: skip
    """Return the rows of some rounds, newest first; ``series`` are the measure and the loss of the evaluation."""
    if not rounds:
        return []
    troubles: dict[int, list[Trouble]] = {}
    for one in first_troubles(session, run.id, rounds[-1].round, rounds[0].round, MAX_ISSUES):
        troubles.setdefault(one.round, []).append(one)
    best = (run.best_metrics.get(measure.key) or {}).get("round")
    odd = _not_finite(session, run, {measure.name: series[0], "loss": series[1]}, rounds, names)
    for number, other in _other_clients(session, run, measure, series[0], rounds, names).items():
        odd.setdefault(number, []).append(other)
    issues = {row.round: _issues(odd.get(row.round, []), troubles.get(row.round, [])) for row in rounds}
    scheduled = scheduled_options(run.config)
    return [_round_line(row, *series, issues[row.round], names, best, scheduled) for row in rounds]


def _round_line(
    row: Round, main: Series, loss: Series, issues: str, names: Mapping[int, str], best: int | None,
    scheduled: Sequence[str],
) -> RoundLine:  # fmt: skip
    phase = row.outcomes.get("train") or row.outcomes.get("evaluate") or {}
    spread = main.spread_in(row.round)
    worst = spread.worst if spread and spread.clients > 1 and spread.worst else None
    return RoundLine(
        row, main.mean_in(row.round), main.mean_in(main.round_before(row.round)),
        loss.mean_in(row.round), row.round == best, spread,
        names.get(worst, f"client {worst}") if worst is not None else "",
        f"{phase.get('accepted', 0)}/{sum(phase.values())}", scheduled_words(row.metrics, scheduled), issues,
    )  # fmt: skip


def _not_finite(
    session: Session, run: Run, series: Mapping[str, Series], rounds: Sequence[Round], names: Mapping[int, str]
) -> dict[int, list[str]]:  # fmt: skip
    """Return round -> which of the means shown is not finite, and the clients whose value made it so."""
    said: dict[int, list[str]] = {}
    for name, known in series.items():
        odd = [row.round for row in rounds if row.round in known.non_finite]
        values = values_of(session, run.id, "evaluate", name, names, only=odd) if odd else {}
        for round_ in odd:
            culprits = [names[c] for c, of in values.items() if of.get(round_, 0.0) is None]
            reported = f", reported by {listed(culprits)}" if culprits else ""
            said.setdefault(round_, []).append(f"{name} is not a number{reported}")
    return said


def _other_clients(
    session: Session, run: Run, measure: Measure, series: Series, rounds: Sequence[Round], names: Mapping[int, str]
) -> dict[int, str]:  # fmt: skip
    """Return round -> who evaluated that did not in the round before, or no longer, for the rounds that are shown."""
    cohort = cohort_of(series)
    shown = {row.round for row in rounds}
    changed = [number for number in cohort.changes if number in shown] if cohort else []
    if not changed:
        return {}
    earlier = {number: series.round_before(number) for number in changed}
    values = values_of(session, run.id, "evaluate", measure.name, names, only=[*earlier, *earlier.values()])
    said = {}
    for number in changed:
        now, before = ({c for c, of in values.items() if at in of} for at in (number, earlier[number]))
        parts = [(word, sorted(ids)) for word, ids in (("without", before - now), ("with", now - before)) if ids]
        if parts:
            said[number] = f"evaluated {', '.join(f'{word} {listed([names[c] for c in ids])}' for word, ids in parts)}"
    return said


def _issues(odd: Sequence[str], troubles: Sequence[Trouble]) -> str:
    """Say what is odd about a round: its means or clients, and troubles, of which the first are given."""
    said = [f"{one.client}: {OUTCOMES[one.outcome]}" + (f", {one.reason}" if one.reason else "") for one in troubles]
    shown = [*odd, *said][:MAX_ISSUES]
    more = len(odd) + (troubles[0].amount if troubles else 0) - len(shown)
    return "; ".join([*shown, *([f"{count(more)} more"] if more > 0 else [])])
