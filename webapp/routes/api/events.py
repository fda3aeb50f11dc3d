"""/api/events and /api/runs/{id}/events: the events after an id, then new events as they happen."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from federation.run.events import Progress, StoreUnavailable
from federation.run.states import ENDED, RunState
from webapp.accounts.principal import Principal
from webapp.db.database import Database
from webapp.db.repository.events import StoredEvent, are_more_events, events_after, last_event_id
from webapp.operations.event_hub import EventHub, Subscription
from webapp.operations.rows import iso
from webapp.operations.run_moves import get_run
from webapp.operations.views import progress_data
from webapp.routes.access import PrincipalDep
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ID, Id, PartsDep

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["events"], responses=REFUSED)

MOST_BACKLOG, READ_AT_ONCE = 1000, 100
PING_SECONDS, RETRY_MS = 15, 1000
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": 'id: 7\nevent: round\ndata: {"id": 7, "run_id": 1, ...}\n\n'}}},
}
Sent = ServerSentEvent | bytes
After = Annotated[int | None, Query(ge=0, le=MAX_ID, description="Id of the last received event; Last-Event-ID wins.")]
LastEventId = Annotated[str | None, Header(max_length=20, description="Sent by browsers when they reconnect.")]


@router.get("/events", response_class=EventSourceResponse, responses=STREAM)
def stream_events(
    parts: PartsDep, principal: PrincipalDep, after: After = None,
    last_event_id: LastEventId = None,
) -> Response:  # fmt: skip
    """Stream events as server-sent events: ``run``, ``round``, ``reply`` and ``client``, each with its id.

    Between them come ``progress`` events of clients, without an id. After more than 1,000 missed events the stream
    sends one ``reset`` with the id to continue from: read the state again.
    """
    return _stream(_events(parts.database, parts.event_hub, principal, None, _position(after, last_event_id)))


@router.get(
    "/runs/{run_id}/events",
    response_class=EventSourceResponse,
    responses={**STREAM, 204: {"description": "The run has ended and nothing is left to send."}, **MISSING},
)
def stream_run_events(
    parts: PartsDep, principal: PrincipalDep, run_id: Id, after: After = None,
    last_event_id: LastEventId = None,
) -> Response:  # fmt: skip
    """Stream the events of one run, from its beginning if no position is given.

    The events are those of /api/events. The stream ends when the run has ended or is deleted.
    """
    position = _position(after, last_event_id) or 0
    with parts.database.read() as session:
        ended = get_run(session, run_id).state in ENDED
        left = not ended or events_after(session, position, run_id, 1)
    if not left:
        return Response(status_code=204)
    return _stream(_events(parts.database, parts.event_hub, principal, run_id, position))


def _position(after: int | None, last_event_id: str | None) -> int | None:
    if last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        return min(int(last_event_id), MAX_ID)
    return after


def _stream(events: AsyncGenerator[Sent, None]) -> EventSourceResponse:
    ping = partial(ServerSentEvent, event="ping", data="{}")
    return EventSourceResponse(_while_read(events), ping=PING_SECONDS, ping_message_factory=ping)


async def _while_read(events: AsyncGenerator[Sent, None]) -> AsyncIterator[Sent]:
    """End the stream where the database cannot be read: a reader reconnects with its last id."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except StoreUnavailable as error:
        log.warning("an event stream ends: %s", error)


async def _events(
    database: Database, event_hub: EventHub, reader: Principal, run_id: int | None, after: int | None
) -> AsyncGenerator[Sent, None]:
    """Subscribe first, then read what was missed: nothing falls in between, and what is in both is sent once.

    The events are those of one run, or all (None). Where no position is given, what happens from the request on is
    told, also what comes before the subscription.
    """
    if after is None:
        after = (await asyncio.to_thread(_look, database, None, None)).newest
    with event_hub.subscribe(run_id, reader) as subscription:
        there = await asyncio.to_thread(_look, database, run_id, after)
        yield ServerSentEvent(comment="connected", retry=RETRY_MS)
        if there.is_far_ahead and not (run_id is not None and after == 0):
            yield _reset(there.newest, run_id)
        else:
            async for missed in _between(database, subscription, after, there.newest):
                yield missed
        if not there.has_ended:
            async for sent in _live(subscription, there.newest):
                yield sent
        if subscription.overflowed:
            yield _reset((await asyncio.to_thread(_look, database, run_id, None)).newest, run_id)


async def _between(database: Database, subscription: Subscription, after: int, newest: int) -> AsyncIterator[bytes]:
    """Read events up to one, some at a time: however many there are, and however slow the reader is, they take little
    memory."""

    def read() -> list[StoredEvent]:
        with database.read() as session:
            return events_after(session, after, subscription.run_id, READ_AT_ONCE)

    while after < newest and not subscription.has_ended and (some := await asyncio.to_thread(read)):
        after = some[-1].id
        yield b"".join(event.as_sent for event in some if event.id <= newest)


async def _live(subscription: Subscription, newest: int) -> AsyncIterator[bytes]:
    async for events, progress in subscription.batches():
        parts, is_over = [], False
        for event in events:
            if event.id > newest and not is_over:
                newest = event.id
                parts.append(event.as_sent)
                is_end = event.type == "run" and event.data["state"] in (*ENDED, RunState.DELETED)
                is_over = subscription.run_id is not None and is_end
        if sent := b"".join(parts if is_over else [*parts, *map(_progress, progress)]):
            yield sent
        if is_over:
            return


@dataclass(frozen=True, slots=True)
class _There:
    """Where a stream begins: the id to continue after, whether too many events come before it, and whether the run has
    ended."""

    newest: int
    is_far_ahead: bool
    has_ended: bool


def _look(database: Database, run_id: int | None, after: int | None) -> _There:
    with database.read() as session:
        newest = last_event_id(session)
        ended = run_id is not None and get_run(session, run_id).state in ENDED
        return _There(newest, after is not None and are_more_events(session, after, run_id, MOST_BACKLOG), ended)


def _progress(progress: Progress) -> bytes:
    data = {"id": None, "at": iso(datetime.now(UTC)), **progress_data(progress)}
    return ServerSentEvent(event="progress", data=_json(data)).encode()


def _reset(newest: int, run_id: int | None) -> ServerSentEvent:
    data = {"id": newest, "run_id": run_id, "at": iso(datetime.now(UTC))}
    return ServerSentEvent(id=str(newest), event="reset", data=_json(data))


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
