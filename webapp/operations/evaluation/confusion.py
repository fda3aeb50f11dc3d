"""The confusion matrix of a run: that of the newest round that the server has evaluated. Kept as an event."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.events import newest_events


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many of a round's test samples of each class (row) were taken for each class (column)."""

    round: int
    samples: int
    counts: list[list[int]]
    recalls: list[float | None]
    """The share of each class that was recognized, its accuracy; None for a class without samples."""


def confusion_of(session: Session, run_id: int) -> Confusion | None:
    """Return a run's confusion matrix; None where the server has evaluated no round."""
    for event in newest_events(session, run_id=run_id, types=("server_evaluation",), limit=1):
        if counts := event.data.get("confusion"):
            recalls = [row[place] / sum(row) if sum(row) else None for place, row in enumerate(counts)]
            return Confusion(event.data["round"], event.data["samples"], counts, recalls)
    return None
