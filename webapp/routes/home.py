"""The home page: what is going on now."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from webapp.dependencies import AnyId
from webapp.pages.asked import asked_of
from webapp.pages.form import empty_form
from webapp.pages.home import home
from webapp.pages.prospect import prospect_of
from webapp.pages.server import server_lines
from webapp.repository.runs import get_run
from webapp.routes.page import PageDep
from webapp.routes.run_pages import CHOICES, said_after

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_home(page: PageDep, request: Request, run: AnyId = 0) -> HTMLResponse:
    """Show the active run, or the next step where there is none."""
    now, steered = home(page.session, page.live), get_run(page.session, run) if run else None
    said = said_after(page, steered, asked_of(run, request.query_params), "/") if steered else None
    form = empty_form(client.data.get("dataset") for client in now.online)
    return page.show(
        "home/index.html", "/", page=now, said=said, server=server_lines(page.parts), form=form,
        prospect=None if now.active else prospect_of(page.session, form, page.live), **CHOICES,
    )  # fmt: skip
