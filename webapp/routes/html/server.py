"""The page of the server itself."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.pages.server.health import health
from webapp.routes.html.page import PageDep

router = APIRouter(include_in_schema=False)


@router.get("/server")
def show(page: PageDep) -> HTMLResponse:
    """Say whether all is well, and why nothing happens."""
    here = str(page.request.base_url).rstrip("/")
    return page.show(
        "server/index.html", "/server", page=health(page.session, page.parts, page.live, page.join, here)
    )  # fmt: skip
