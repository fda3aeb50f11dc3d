"""The event log of one run: all of it, what went wrong, or what people did; page by page."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.events import StoredEvent, newest_events
from webapp.pages.event_sentences import WORTH_SAYING, Line, log_lines
from webapp.pages.runs.query import Events

LINES, PIECE, MOST_PIECES = 20, 250, 8


@dataclass(frozen=True, slots=True)
class Log:
    """Lines, newest first; ``older`` is the id before which the next page begins, None at the beginning of all."""

    lines: list[Line]
    older: int | None


def log_of(session: Session, run_id: int, names: Mapping[int, str], kind: Events, before: int | None) -> Log:
    """Return a page of a run's log. At most some thousand events are looked at: what was long ago is a page away."""
    lines: list[Line] = []
    seen: list[StoredEvent] = []
    for _ in range(MOST_PIECES):
        events = newest_events(session, run_id=run_id, types=WORTH_SAYING, before=before, limit=PIECE)
        seen += [event for event in events if _is(event, kind)]
        lines = log_lines(seen, names, LINES)
        if len(lines) == LINES and events:
            before = min(line.oldest_id for line in lines)
            return Log(lines, before if events[-1].id < before or len(events) == PIECE else None)
        if len(events) < PIECE:
            return Log(lines, None)
        before = events[-1].id
    return Log(lines, before)


def _is(event: StoredEvent, kind: Events) -> bool:
    return kind == "all" or (is_trouble(event) if kind == "trouble" else is_by_people(event))


def is_trouble(event: StoredEvent) -> bool:
    """Say whether an event tells of something that went wrong."""
    data = event.data
    match event.type:
        case "reply":
            return data.get("outcome") != "accepted"
        case "round":
            return not data.get("committed")
        case "client":
            return data.get("state") in ("put_aside", "stale", "revoked", "ended")
    if data.get("unresolved_clients"):
        return True
    return bool(data.get("from")) and data.get("state") in ("failed", "interrupted")


def is_by_people(event: StoredEvent) -> bool:
    """Say whether a person is behind an event."""
    data = event.data
    if event.type != "run":
        return False
    moved_by_hand = bool(data.get("from")) and data.get("state") in ("stopping", "cancelled", "queued")
    return bool(data.get("asked") or data.get("name") or data.get("by")) or moved_by_hand
