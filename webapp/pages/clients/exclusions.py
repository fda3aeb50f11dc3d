"""The clients that one run excludes: by a person's request or suspended by the run itself, each with the reason."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.clients import client_names
from webapp.db.repository.events import newest_events
from webapp.db.tables import Run
from webapp.pages.event_sentences import by_whom

MAX_EVENTS = 300
"""How many of a run's newest events are searched for the reasons."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A client that a run excludes, with the reason; it follows the client's name and a colon."""

    id: int
    name: str
    why: str


def exclusions_of(session: Session, run: Run) -> list[Exclusion]:
    """Return the clients that a run excludes, with the newest reason of each; not those excluded from all runs."""
    if not run.excluded:
        return []
    names, why = client_names(session, run.excluded), dict[int, str]()
    for event in newest_events(session, run_id=run.id, types=("run", "client"), limit=MAX_EVENTS):
        client_id = event.client_id or event.data.get("client_id")
        if event.data.get("state") == "put_aside":
            why.setdefault(client_id or 0, f"suspended, {event.data.get('reason')}")
        elif event.data.get("asked") == "exclude":
            by = by_whom(event.data.get("by")) or "by a user"
            why.setdefault(client_id or 0, f"excluded from this run {by}")
    return [Exclusion(c, names.get(c, f"client {c}"), why.get(c, "excluded from this run")) for c in run.excluded]
