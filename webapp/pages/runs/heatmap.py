"""Clients by round: a row a client, a column a round, a cell as far from the page as its value is high."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.clients import client_names
from webapp.db.repository.series import Replied, clients_of_run, places, replies_between, values_of
from webapp.db.tables import Run
from webapp.formatting import change, count, duration, loss, percent
from webapp.pages.runs.query import Cells

MOST_ROUNDS, STEPS = 40, 7
NO_NUMBER = "no_number"
"""What became of a client that took part, and sent no number for what the cells show."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One client in one round: the step of its colour, None where there is no value; and what went wrong."""

    step: int | None
    text: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One client's cells, a round each."""

    id: int
    name: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Heat:
    """The map: rounds of its columns, those still to come, the ends of its scale, and a sentence below."""

    rounds: list[int]
    to_come: list[int]
    rows: list[HeatRow]
    low: str
    high: str
    outcomes: set[str]
    sentence: str

    def marked(self, round_: int) -> bool:
        """Say whether a column has its number above it: the first and every tenth."""
        ends = round_ == self.rounds[0] and round_ % 10 not in (8, 9)
        return ends or round_ % 10 == 0 or self.few

    @property
    def few(self) -> bool:
        """Say whether the columns are so few that each has room for its number, also where the page is narrow."""
        return len(self.rounds) + len(self.to_come) < 12


def heat_of(session: Session, run: Run, cells: Cells) -> Heat | None:
    """Return the map of a run's last rounds; None before round 1."""
    last = run.current_round
    if last < 1:
        return None
    first = max(1, last - MOST_ROUNDS + 1)
    rounds = list(range(first, last + 1))
    to_come = list(range(last + 1, min(run.num_rounds, MOST_ROUNDS) + 1)) if first == 1 else []
    replies = replies_between(session, run.id, first, last)
    names = dict(clients_of_run(session, run.id))
    unknown = {reply.client_id for reply in replies} - set(names)
    names |= client_names(session, unknown) if unknown else {}
    trained = {(r.client_id, r.round): r for r in replies if r.phase == "train"}
    evaluated = {(r.client_id, r.round) for r in replies if r.phase == "evaluate"}
    values = _values(session, run, cells, sorted(names), first, trained)
    write = {"accuracy": percent, "loss": loss, "seconds": duration}.get(cells)
    low, high = _ends([v for of_round in values.values() for v in of_round.values() if v is not None])
    rows = []
    for client_id in sorted(names):
        row = []
        for round_ in rounds:
            reply, value = trained.get((client_id, round_)), values.get(client_id, {}).get(round_)
            not_asked = "idle" if (client_id, round_) in evaluated else "away"
            outcome = not_asked if reply is None else reply.outcome
            if cells == "outcome":
                row.append(
                    Cell(3 if outcome == "accepted" else None, "took part" if outcome == "accepted" else "", outcome)
                )
            elif value is None and outcome == "accepted":
                row.append(Cell(None, "", NO_NUMBER))
            else:
                row.append(Cell(_step(value, low, high), write(value) if write and value is not None else "", outcome))
        rows.append(HeatRow(client_id, names[client_id], row))
    seen = {cell.outcome for one in rows for cell in one.cells} - {"accepted"}
    ends = (write(low), write(high)) if write and high > low else ("", "")
    return Heat(rounds, to_come, rows, *ends, seen, _sentence(session, run, names))


def _values(
    session: Session, run: Run, cells: Cells, clients: Sequence[int], first: int,
    trained: Mapping[tuple[int, int], Replied],
) -> dict[int, dict[int, float | None]]:  # fmt: skip
    if cells in ("accuracy", "loss"):
        found = values_of(session, run.id, "evaluate", cells, clients, first=first)
        return {c: {r: value for r, (value, _) in rounds.items()} for c, rounds in found.items()}
    seconds: dict[int, dict[int, float | None]] = {}
    if cells == "seconds":
        for (client_id, round_), reply in trained.items():
            took = reply.received_at_seconds if reply.received_at_seconds is not None else reply.seconds
            seconds.setdefault(client_id, {})[round_] = took
    return seconds


def _ends(values: list[float]) -> tuple[float, float]:
    """Return where the scale begins and ends: a few odd values do not make all others alike."""
    ordered = sorted(values)
    if not ordered:
        return 0.0, 0.0
    return ordered[int((len(ordered) - 1) * 0.04)], ordered[int((len(ordered) - 1) * 0.98)]


def _step(value: float | None, low: float, high: float) -> int | None:
    if value is None:
        return None
    return 3 if high <= low else max(0, min(STEPS - 1, int((value - low) / (high - low) * STEPS)))


def _sentence(session: Session, run: Run, names: Mapping[int, str]) -> str:
    """Name the worst client of the last round, and how far it is from the mean."""
    found = places(session, run.id, ["evaluate_accuracy"], after=run.current_round - 1, last=run.current_round)
    spread = found[0].spread["evaluate_accuracy"] if found else None
    mean = run.last_metrics.get("evaluate_accuracy")
    if spread is None or spread.clients < 2 or mean is None:
        return ""
    who = names.get(spread.worst, f"client {spread.worst}")
    return (
        f"{who} is the worst client: {percent(spread.least)} in round {count(run.current_round)}, "
        f"{change(spread.least, mean, 'accuracy')} from the mean"
    )
