"""Confusion matrices of a run: of rounds that the server has evaluated, and summed over clients that share theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from federation.run.metric_goals import is_evaluated_at_server
from webapp.db.repository.events import newest_events
from webapp.db.repository.rounds import confusion_up_to, rounds_around
from webapp.db.tables import Run
from webapp.operations.own_data.agreed import agreed_schema

Whose = Literal["server", "clients"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many of a round's test samples of each class (row) were taken for each class (column)."""

    of: Whose
    round: int
    samples: int
    counts: list[list[int]]
    clients: int
    """The clients whose matrices are summed; 0 for that of the server."""
    labels: list[str]
    earlier: int | None = None
    """The round before that has a matrix."""
    later: int | None = None

    @property
    def recalls(self) -> list[float | None]:
        """The share of each class that was recognized, its accuracy; None for a class without samples."""
        return [row[place] / sum(row) if sum(row) else None for place, row in enumerate(self.counts)]


def confusions_of(session: Session, run: Run, round_: int | None = None) -> list[Confusion]:
    """Return a run's matrices: that of the newest round at the server, and that of the clients in a round.

    ``round_`` None: the newest one with a matrix.
    """
    found = (_at_server(session, run), _of_clients(session, run, round_))
    return [one for one in found if one is not None]


def _at_server(session: Session, run: Run) -> Confusion | None:
    if not is_evaluated_at_server(run.config):
        return None
    for event in newest_events(session, run_id=run.id, types=("server_evaluation",), limit=1):
        if counts := event.data.get("confusion"):
            labels = _labels(session, run, counts)
            return Confusion("server", event.data["round"], event.data["samples"], counts, 0, labels)
    return None


def _of_clients(session: Session, run: Run, round_: int | None) -> Confusion | None:
    if (found := confusion_up_to(session, run.id, round_)) is None:
        return None
    number, stored = found
    counts = stored["counts"]
    earlier, later = rounds_around(session, run.id, number)
    return Confusion(
        "clients", number, sum(map(sum, counts)), counts, stored["clients"], _labels(session, run, counts), earlier,
        later,
    )  # fmt: skip


def _labels(session: Session, run: Run, counts: Sequence[Sequence[int]]) -> list[str]:
    """Return the names of the classes: of clients' own data those that were agreed on, else their numbers."""
    agreed = agreed_schema(session, run.id)
    named = agreed is not None and len(agreed.classes) == len(counts)
    return list(agreed.classes) if agreed is not None and named else [str(place) for place in range(len(counts))]
