"""What every page's handler is given: the rows it reads, who is connected, and the frame around what it shows."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from federation.server.flower_server import LiveClient
from webapp.db.repository.events import last_event_id
from webapp.http.compression import pack
from webapp.pages.join_command import Join
from webapp.pages.templating import STREAM, Frame, render
from webapp.parts import Parts
from webapp.problems import NotFound
from webapp.routes.dependencies import MAX_ID, PartsDep


class Page:
    """One request for a page: a session that reads one state of the database, and ``show`` to answer with."""

    def __init__(self, request: Request, parts: Parts, session: Session) -> None:
        self.request, self.parts, self.session = request, parts, session
        self.last_event_id = last_event_id(session)  # read first: the stream goes on exactly where the page ends
        self.join = Join(*parts.flower_address, here=request.url.hostname or "127.0.0.1")

    @property
    def live(self) -> Mapping[int, LiveClient]:
        """Who is connected now."""
        return self.parts.flower.live_clients()

    def show(self, template: str, nav: str, status: int = 200, **context: Any) -> HTMLResponse:
        """Answer with a template in the frame."""
        frame = Frame(nav, STREAM, self.last_event_id, self.join.address)
        answer = render(self.request, template, frame, status, join=self.join, demo=self.parts.demo, **context)
        pack(self.request, answer)
        return answer


def get_page(request: Request, parts: PartsDep) -> Iterator[Page]:
    """Give a page whose session ends with the request."""
    with parts.database.read() as session:
        yield Page(request, parts, session)


PageDep = Annotated[Page, Depends(get_page)]


def read_run_id(run_id: str) -> int:
    """Return the run that a page's address names; raises NotFound where no run can have such a number."""
    return _number(run_id, "run")


def read_client_id(client_id: str) -> int:
    """Return the client that a page's address names; raises NotFound where no client can have such a number."""
    return _number(client_id, "client")


def _number(text: str, noun: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 17 and 1 <= int(text) <= MAX_ID:
        return int(text)
    raise NotFound(f"There is no {noun} {text if len(text) <= 40 else text[:40] + '…'}.")


RunId = Annotated[int, Depends(read_run_id)]
ClientId = Annotated[int, Depends(read_client_id)]


async def read_form(request: Request) -> FormData:
    """Return the fields that a form sent."""
    return await request.form(max_files=0, max_fields=2000)
