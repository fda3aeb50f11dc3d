"""The home page: what is going on now."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.pages.form import empty_form
from webapp.pages.home import home
from webapp.pages.server import server_lines
from webapp.routes.page import PageDep
from webapp.routes.run_pages import CHOICES

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_home(page: PageDep) -> HTMLResponse:
    """Show the active run, or the next step where there is none."""
    now = home(page.session, page.live)
    form = empty_form(client.data.get("dataset") for client in now.online)
    return page.show("home/index.html", "/", page=now, server=server_lines(page.parts), form=form, **CHOICES)
