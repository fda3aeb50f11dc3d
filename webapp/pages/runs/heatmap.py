"""The heatmap of clients by round: a row for each client, a column for each round, a cell coloured by its value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.clients import client_names
from webapp.db.repository.series import Replied, Series, clients_of_run, replies_between, values_of
from webapp.db.tables import Run
from webapp.formatting import change, count, duration, loss, percent
from webapp.pages.runs.query import Cells

MAX_ROUNDS, STEPS = 40, 7
WRITE: dict[str, Callable[[float], str]] = {"accuracy": percent, "loss": loss, "seconds": duration}
NO_NUMBER = "no_number"
"""The outcome of a client that took part and reported no finite value of what the cells show."""


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
    rows: list[HeatmapRow]
    low: str
    high: str
    outcomes: set[str]
    sentence: str

    def marked(self, round_: int) -> bool:
        """Whether a column has its number above it: the first and every tenth."""
        ends = round_ == self.rounds[0] and round_ % 10 not in (8, 9)
        return ends or round_ % 10 == 0 or self.few

    @property
    def few(self) -> bool:
        """Whether each column has room for its number, also on a narrow page."""
        return len(self.rounds) + len(self.to_come) < 12


def heatmap_of(session: Session, run: Run, accuracy: Series, shows: Cells) -> Heatmap | None:
    """Return the heatmap of a run's last rounds; None before round 1. ``accuracy`` is that of the evaluation."""
    last = run.current_round
    if last < 1:
        return None
    first = max(1, last - MAX_ROUNDS + 1)
    rounds = list(range(first, last + 1))
    to_come = list(range(last + 1, min(run.num_rounds, MAX_ROUNDS) + 1)) if first == 1 else []
    replies = replies_between(session, run.id, first, last)
    names = dict(clients_of_run(session, run.id))
    unknown = {reply.client_id for reply in replies} - set(names)
    names |= client_names(session, unknown) if unknown else {}
    trained = {(r.client_id, r.round): r for r in replies if r.phase == "train"}
    evaluated = {(r.client_id, r.round) for r in replies if r.phase == "evaluate"}
    values = _values(session, run, shows, sorted(names), first, trained)
    scale = _Scale(shows, *_ends([v for of_round in values.values() for v in of_round.values() if v is not None]))

    def cell(client_id: int, round_: int) -> Cell:
        reply = trained.get((client_id, round_))
        not_trained = "idle" if (client_id, round_) in evaluated else "away"
        outcome = not_trained if reply is None else reply.outcome
        return scale.cell(outcome, values.get(client_id, {}).get(round_))

    rows = [HeatmapRow(c, names[c], [cell(c, round_) for round_ in rounds]) for c in sorted(names)]
    outcomes = {one.outcome for row in rows for one in row.cells} - {"accepted"}
    return Heatmap(rounds, to_come, rows, *scale.words, outcomes, _sentence(run, accuracy, names))


def _values(
    session: Session, run: Run, shows: Cells, clients: Sequence[int], first: int,
    trained: Mapping[tuple[int, int], Replied],
) -> dict[int, dict[int, float | None]]:  # fmt: skip
    if shows in ("accuracy", "loss"):
        found = values_of(session, run.id, "evaluate", shows, clients, first=first)
        return {c: {r: value for r, (value, _) in rounds.items()} for c, rounds in found.items()}
    seconds: dict[int, dict[int, float | None]] = {}
    if shows == "seconds":
        for (client_id, round_), reply in trained.items():
            took = reply.received_at_seconds if reply.received_at_seconds is not None else reply.seconds
            seconds.setdefault(client_id, {})[round_] = took
    return seconds


@dataclass(frozen=True, slots=True)
class _Scale:
    """Colours and writes the values of cells between a low and a high one."""

    shows: Cells
    low: float
    high: float

    def cell(self, outcome: str, value: float | None) -> Cell:
        """Return the cell of a client in a round; one that took part without a value is marked as such."""
        accepted = outcome == "accepted"
        if self.shows == "outcome":
            return Cell(STEPS // 2 if accepted else None, "took part" if accepted else "", outcome)
        if value is None:
            return Cell(None, "", NO_NUMBER if accepted else outcome)
        return Cell(self._step(value), WRITE[self.shows](value), outcome)

    @property
    def words(self) -> tuple[str, str]:
        """Both ends in words; nothing where all values are one."""
        write = WRITE.get(self.shows)
        return (write(self.low), write(self.high)) if write and self.high > self.low else ("", "")

    def _step(self, value: float) -> int:
        if self.high <= self.low:
            return STEPS // 2
        return max(0, min(STEPS - 1, int((value - self.low) / (self.high - self.low) * STEPS)))


def _ends(values: list[float]) -> tuple[float, float]:
    """Return where the scale begins and ends: a few outliers do not make all others alike."""
    ordered = sorted(values)
    if not ordered:
        return 0.0, 0.0
    return ordered[int((len(ordered) - 1) * 0.04)], ordered[int((len(ordered) - 1) * 0.98)]


def _sentence(run: Run, accuracy: Series, names: Mapping[int, str]) -> str:
    """Name the worst client of the last round, and how far it is from the mean."""
    spread, mean = accuracy.spread_in(run.current_round), run.last_metrics.get("evaluate_accuracy")
    if spread is None or spread.clients < 2 or mean is None:
        return ""
    who = names.get(spread.worst, f"client {spread.worst}")
    return (
        f"{who} is the worst client: {percent(spread.min)} in round {count(run.current_round)}, "
        f"{change(spread.min, mean, 'accuracy')} from the mean"
    )
