"""run_events: append events, and read them after an id or newest first. run_problems: counts of bad replies."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

from sqlalchemy import func, insert, select, text, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.db.tables import RUN_EVENTS, RunEvent, RunProblem

_ADDED = "added_events"
_INSERT = insert(RUN_EVENTS).returning(RUN_EVENTS.c.id)


@dataclass(frozen=True)
class StoredEvent:
    """One run event."""

    id: int
    run_id: int | None
    client_id: int | None
    type: str
    at: datetime
    data: dict[str, Any]

    @cached_property
    def as_sent(self) -> bytes:
        """The server-sent event, made once for all streams; a key in ``data`` replaces the column of the same name."""
        at = self.at.isoformat().replace("+00:00", "Z")
        row = {"id": self.id, "run_id": self.run_id, "at": at, **self.data}
        data = json.dumps(row, separators=(",", ":"), allow_nan=False)
        return f"id: {self.id}\r\nevent: {self.type}\r\ndata: {data}\r\n\r\n".encode()


def add_event(
    session: Session, event_type: str, data: dict[str, Any], *, run_id: int | None = None, client_id: int | None = None
) -> StoredEvent:
    """Append one event; streams get it after the session has committed."""
    at = datetime.now(UTC)
    row = {"run_id": run_id, "client_id": client_id, "type": event_type, "at": at, "data": data}
    event_id = session.connection().execute(_INSERT, row).scalar_one()
    stored = StoredEvent(event_id, run_id, client_id, event_type, at, data)
    session.info.setdefault(_ADDED, []).append(stored)
    return stored


def added_events(session: Session) -> Sequence[StoredEvent]:
    """Return the events that this session has appended."""
    added: Sequence[StoredEvent] = session.info.get(_ADDED, ())
    return added


def last_event_id(session: Session) -> int:
    """Return the id of the newest event, 0 where there is none."""
    return session.scalar(select(func.max(RunEvent.id))) or 0


def highest_event_id(session: Session) -> int:
    """Return the highest id that the database has given to an event, deleted or not; 0 where it has given none."""
    if session.get_bind().dialect.name == "postgresql":
        query = "SELECT pg_sequence_last_value(pg_get_serial_sequence('run_events', 'id'))"
    else:
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'run_events'"
    return session.scalar(text(query)) or 0


def are_more_events(session: Session, after: int, run_id: int | None, than: int) -> bool:
    """Return whether more than so many events come after an id: of one run, or of all."""
    of_run = RunEvent.run_id == run_id if run_id is not None else true()
    return session.scalar(select(RunEvent.id).where(RunEvent.id > after, of_run).offset(than).limit(1)) is not None


def events_after(session: Session, after: int, run_id: int | None, limit: int) -> list[StoredEvent]:
    """Return up to ``limit`` events after an id, oldest first; of one run, or of all."""
    of_run = RunEvent.run_id == run_id if run_id is not None else true()
    query = select(RunEvent).where(RunEvent.id > after, of_run).order_by(RunEvent.id).limit(limit)
    return [_stored(row) for row in session.scalars(query)]


def newest_events(
    session: Session, *, run_id: int | None = None, client_id: int | None = None, types: Iterable[str] = (),
    before: int | None = None, limit: int = 50,
) -> list[StoredEvent]:  # fmt: skip
    """Return events, newest first: of a run, of a client, of some types, before an id, where these are given."""
    query = select(RunEvent).order_by(RunEvent.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(RunEvent.run_id == run_id)
    if client_id is not None:
        query = query.where(RunEvent.client_id == client_id)
    if chosen := list(types):
        query = query.where(RunEvent.type.in_(chosen))
    if before is not None:
        query = query.where(RunEvent.id < before)
    return [_stored(row) for row in session.scalars(query)]


def count_problems(session: Session, replies: Iterable[Mapping[str, Any]]) -> None:
    """Count those of the rows of replies that were not accepted."""
    counted: dict[tuple[int, int, str], dict[str, Any]] = {}
    for row in replies:
        if row["outcome"] != "accepted":
            key = {name: row[name] for name in ("run_id", "client_id", "outcome")}
            known = counted.setdefault((row["run_id"], row["client_id"], row["outcome"]), {**key, "times": 0})
            known |= {"times": known["times"] + 1, "reason": row["reason"]}
    if counted:
        session.connection().execute(_upsert(session.get_bind().dialect.name), list(counted.values()))


def reply_problems(session: Session, run_id: int) -> Sequence[RunProblem]:
    """Return the problems with replies in a run, the most frequent first."""
    of_run = select(RunProblem).where(RunProblem.run_id == run_id)
    return session.scalars(of_run.order_by(RunProblem.times.desc(), RunProblem.client_id)).all()


@cache
def _upsert(dialect: str) -> Any:
    added = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(RunProblem)
    times = RunProblem.times + added.excluded.times
    return added.on_conflict_do_update(
        index_elements=["run_id", "client_id", "outcome"], set_={"times": times, "reason": added.excluded.reason}
    )


def _stored(row: RunEvent) -> StoredEvent:
    return StoredEvent(row.id, row.run_id, row.client_id, row.type, row.at, row.data)
