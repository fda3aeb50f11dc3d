"""What a page's handler is given: a database session, the connected clients, and the frame around the template."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from typing import Annotated, Any, ParamSpec, cast

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from federation.server.flower_server import LiveClient
from webapp.http.compression import compress
from webapp.http.conditional import answer_unless_known
from webapp.pages.flash import PARAMETER, Flash, Flashes
from webapp.pages.join_command import Join
from webapp.pages.templating import STREAM, Frame, render, wanted_block
from webapp.parts import Parts
from webapp.problems import NotFound
from webapp.routes.dependencies import MAX_ID, PartsDep
from webapp.routes.html.forms import FlashesDep
from webapp.sanitizing import whole_number

P = ParamSpec("P")

FRESH_SECONDS = 0.5
"""So old may a shared fragment be: it also shows what clients do between two events, which the stream tells."""
SAME = ("HX-Target", "Accept-Encoding", "Cookie")
"""Headers that must be equal where an answer is shared, beside the address, which begins with the Host."""


class Page:
    """One request for a page: a session that reads one state of the database, and ``show`` to answer with."""

    def __init__(self, request: Request, parts: Parts, session: Session, flashes: Flashes) -> None:
        self.request, self.parts, self.session, self._flashes = request, parts, session, flashes
        # before the session reads anything, so that the stream misses no event that the page does not show
        self.last_event_id = parts.event_hub.newest_id
        self.join = Join(
            *parts.flower_address, here=request.url.hostname or "127.0.0.1", tls=parts.tls,
            needs_code=parts.settings.admission_rule == "code",
        )  # fmt: skip

    @property
    def root_address(self) -> str:
        """The address of the dashboard as the reader reached it, without a slash at its end."""
        url = self.request.url
        return f"{url.scheme}://{url.netloc}{self.request.app.state.root_path}"

    @property
    def live(self) -> Mapping[int, LiveClient]:
        """The clients that are connected now, by id."""
        return self.parts.flower.live_clients()

    def show(self, template: str, nav: str, status: int = 200, **context: Any) -> HTMLResponse:
        """Answer with a template in the frame, or with the part of it that htmx asks for."""
        frame = Frame(nav, STREAM, self.last_event_id, self.join.server, self._flash(), self.parts.apps.is_on)
        answer = render(
            self.request, template, frame, status, join=self.join, simulation=self.parts.simulation, **context
        )
        compress(self.request, answer)
        return answer

    def _flash(self) -> Flash | None:
        """Take the message that waits for this page. A part of a page shows none, so it leaves the message waiting."""
        return None if wanted_block(self.request) else self._flashes.take(self.request.query_params.get(PARAMETER, ""))


def shared(handler: Callable[P, HTMLResponse]) -> Callable[P, Response]:
    """Share a handler's fragments: a decorator for handlers that have a ``page``.

    Every viewer asks for the same fragment as soon as something happens. Requests that are the same get one answer,
    which is never older than the newest event. Two people never share one. Whole pages are not shared.
    """

    @wraps(handler)
    def share(*arguments: P.args, **named: P.kwargs) -> Response:
        page = cast(Page, named["page"])
        request, headers = page.request, page.request.headers
        if not wanted_block(request):
            return handler(*arguments, **named)
        same = (str(request.url), request.state.principal, *(headers.get(name) for name in SAME), page.last_event_id)
        made: HTMLResponse = request.app.state.fragments.get(same, lambda: handler(*arguments, **named))
        copy = partial(Response, made.body, made.status_code, made.headers)
        return answer_unless_known(request, made.headers["Vary"], made.body, copy)

    return share


def get_page(request: Request, parts: PartsDep, flashes: FlashesDep) -> Iterator[Page]:
    """Give a page whose session ends with the request."""
    with parts.database.read() as session:
        yield Page(request, parts, session, flashes)


PageDep = Annotated[Page, Depends(get_page)]


def _id_of(noun: str) -> Any:
    """Return the dependency that reads an id from a page's address; it raises NotFound where the text is no id."""

    async def read(request: Request) -> int:
        text = request.path_params[f"{noun}_id"]
        number = whole_number(text, least=1, most=MAX_ID)
        if number is None:
            raise NotFound(f"There is no {noun} {text if len(text) <= 40 else text[:40] + '…'}.")
        return number

    return Depends(read)


RunId = Annotated[int, _id_of("run")]
ClientId = Annotated[int, _id_of("client")]
ExperimentId = Annotated[int, _id_of("experiment")]
SourceId = Annotated[int | None, Query(alias="from", ge=1, lt=2**53)]
"""The run whose settings a form begins with."""
