"""The page of the server."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.pages.server.health import health
from webapp.routes.html.page import PageDep, shared

router = APIRouter(include_in_schema=False)


@router.get("/server")
@shared
def show(page: PageDep) -> HTMLResponse:
    """Show the health of the server and what blocks the next round."""
    return page.show(
        "server/index.html", "/server", page=health(page.session, page.parts, page.live, page.join, page.root_address)
    )  # fmt: skip
