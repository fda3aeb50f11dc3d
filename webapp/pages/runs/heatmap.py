"""The heatmap of clients by round: a row for each client, a column for each round, a cell coloured by its value."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

from sqlalchemy.orm import Session

from federation.run.metric_names import LOSS_AFTER, LOSS_BEFORE, UPDATE_COSINE, UPDATE_NORM
from webapp.db.repository.clients import client_names
from webapp.db.repository.series import Replied, Series, clients_with_tasks, replies_between, values_of
from webapp.db.tables import Run
from webapp.formatting import change, count, duration, metric, share_of_range
from webapp.pages.cut import FEW, Cut, cut
from webapp.pages.measure import Measure
from webapp.pages.runs.query import RunQuery
from webapp.pages.wording import OUTCOMES, metric_title

MAX_ROUNDS, STEPS = 40, 7
TASKS = {"seconds": "Duration", "outcome": "Participation"}
MEASURED = {
    UPDATE_NORM: "Update norm", UPDATE_COSINE: "Cosine to mean",
    LOSS_BEFORE: "Loss before training", LOSS_AFTER: "Loss after training",
}  # fmt: skip
"""Metrics of training, each offered where the run has it."""
NO_NUMBER = "no_number"
"""The outcome of a client that participated and reported no finite value of what the cells show."""
Task = tuple[int, int]
"""Client and round."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One client in one round: the step of its colour, None where there is no value; and the outcome of its task."""

    step: int | None
    text: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HeatmapRow:
    """One client's cells, one for each round."""

    id: int
    name: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Heatmap:
    """The rounds of the columns, those to come, the ends of the scale, the outcomes that occur, and a sentence."""

    rounds: list[int]
    to_come: list[int]
    rows: Cut[HeatmapRow]
    low: str
    high: str
    outcomes: set[str]
    sentence: str
    views: dict[str, str]
    """What the cells can show: the metric that the page opens on first."""
    shows: str
    lowest_first: bool
    """Of many clients, which ones are first: those with the lowest values, or with the highest."""

    def marked(self, round_: int) -> bool:
        """Whether a column has its number above it: the first and every tenth."""
        ends = round_ == self.rounds[0] and round_ % 10 not in (8, 9)
        return ends or round_ % 10 == 0 or self.few

    @property
    def few(self) -> bool:
        """Whether each column has room for its number, also on a narrow page."""
        return len(self.rounds) + len(self.to_come) < 12


def heatmap_of(
    session: Session, run: Run, clients: Sequence[tuple[int, str]], measure: Measure, series: Series, query: RunQuery
) -> Heatmap | None:  # fmt: skip
    """Return the heatmap of a run's last rounds; None before round 1. The page opens on the measure with the series."""
    last = run.current_round
    if last < 1:
        return None
    first = max(1, last - MAX_ROUNDS + 1)
    rounds = list(range(first, last + 1))
    to_come = list(range(last + 1, min(run.num_rounds, MAX_ROUNDS) + 1)) if first == 1 else []
    names = dict(clients)
    unknown = clients_with_tasks(session, run.id, first, last) - set(names)
    names |= client_names(session, unknown) if unknown else {}
    views = _views(run, measure)
    shows = query.cells if query.cells in views else measure.name
    lowest_first = shows == UPDATE_COSINE or (shows == measure.name and measure.least is False)
    matching = sorted(c for c, name in names.items() if query.q.casefold() in name.casefold())
    if len(matching) > FEW:
        matching = _worst_first(session, run, shows, matching, sign=1 if lowest_first else -1)
    shown = cut(matching, query.page_of("heatmap"))
    replies = replies_between(session, run.id, first, last, shown.rows)
    trained = _trained(replies)
    evaluated = {(r.client_id, r.round) for r in replies if r.phase == "evaluate"}
    values = _values(session, run, shows, shown.rows, first, trained)
    low, high = _ends(ordered := sorted(values.values()) or [0.0])

    def cell(task: Task) -> Cell:
        reply = trained.get(task)
        not_trained = "idle" if task in evaluated else "away"
        return _cell(shows, reply.outcome if reply else not_trained, values.get(task), low, high)

    rows = [HeatmapRow(c, names[c], [cell((c, round_)) for round_ in rounds]) for c in shown.rows]
    outcomes = {one.outcome for row in rows for one in row.cells} - {"accepted"}
    least, most = _end_words(_writes(shows), (ordered[0], low), (high, ordered[-1])) if high > low else ("", "")
    return Heatmap(
        rounds, to_come, shown.with_rows(rows), least, most, outcomes, _sentence(run, measure, series, names), views,
        shows, lowest_first,
    )  # fmt: skip


def _views(run: Run, measure: Measure) -> dict[str, str]:
    """Return what the cells of a run can show, with the words for it."""
    measured = {name: word for name, word in MEASURED.items() if f"train_{name}" in run.last_metrics}
    return {measure.name: metric_title(measure.name), "loss": "Loss"} | TASKS | measured


def _writes(shows: str) -> Callable[[float], str]:
    return duration if shows == "seconds" else partial(metric, name=shows)


def _trained(replies: Iterable[Replied]) -> dict[Task, Replied]:
    return {(reply.client_id, reply.round): reply for reply in replies if reply.phase == "train"}


def _worst_first(session: Session, run: Run, shows: str, clients: Sequence[int], *, sign: int) -> list[int]:
    """Order clients by the last round: those whose task went wrong, then by what the cells show, those without last.

    ``sign`` is 1 where the lowest values are first, -1 where the highest are.
    """
    last = run.current_round
    trained = _trained(replies_between(session, run.id, last, last))
    values = _values(session, run, shows, clients, last, trained)

    def place(client_id: int) -> tuple[bool, float, int]:
        reply, value = trained.get((client_id, last)), values.get((client_id, last))
        return reply is None or reply.outcome == "accepted", inf if value is None else sign * value, client_id

    return sorted(clients, key=place)


def _values(
    session: Session, run: Run, shows: str, clients: Sequence[int], first: int, trained: Mapping[Task, Replied]
) -> dict[Task, float]:  # fmt: skip
    """Return the finite values of the cells; none where cells show outcomes."""
    values: dict[Task, float | None] = {}
    if shows == "seconds":
        ends = {task: (reply.received_at_seconds, reply.seconds) for task, reply in trained.items()}
        values = {task: took if took is not None else worked for task, (took, worked) in ends.items()}
    elif shows != "outcome":
        phase = "train" if shows in MEASURED else "evaluate"
        found = values_of(session, run.id, phase, shows, clients, first=first)
        values = {(c, round_): value for c, of in found.items() for round_, value in of.items()}
    return {task: value for task, value in values.items() if value is not None}


def _ends(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the values between which the colours change: the ends of the data, but without far outliers.

    A few of those would make all other cells alike: they have the colour of the end.
    """
    low, high = ordered[int((len(ordered) - 1) * 0.04)], ordered[int((len(ordered) - 1) * 0.98)]
    half = high / 2 - low / 2  # halves: the difference of two finite numbers may be infinite
    if not half:
        return ordered[0], ordered[-1]
    return (
        ordered[0] if low / 2 - ordered[0] / 2 <= half else low,
        ordered[-1] if ordered[-1] / 2 - high / 2 <= half else high,
    )


def _end_words(write: Callable[[float], str], *ends: tuple[float, float]) -> list[str]:
    """Write the ends of the scale, each as the range of values that have its colour."""
    return [write(low) if low == high else f"{write(low)} to {write(high)}" for low, high in ends]


def _cell(shows: str, outcome: str, value: float | None, low: float, high: float) -> Cell:
    accepted = outcome == "accepted"
    if shows == "outcome":
        return Cell(STEPS // 2 if accepted else None, OUTCOMES["accepted"] if accepted else "", outcome)
    if value is None:
        return Cell(None, "", NO_NUMBER if accepted else outcome)
    step = max(0, min(STEPS - 1, int(share_of_range(value, low, high) * STEPS)))
    return Cell(step, _writes(shows)(value), outcome)


def _sentence(run: Run, measure: Measure, series: Series, names: Mapping[int, str]) -> str:
    """Name the worst client of the last round, and how far it is from the mean; empty where worst has no meaning."""
    spread, mean = series.spread_in(run.current_round), run.last_metrics.get(measure.key)
    if spread is None or spread.clients < 2 or mean is None or not spread.worst:
        return ""
    who, worst = names.get(spread.worst, f"client {spread.worst}"), spread.max if measure.least else spread.min
    return (
        f"Worst client: {who}, {measure.write(worst)} in round {count(run.current_round)}, "
        f"{change(worst, mean, measure.name)} from the mean"
    )
