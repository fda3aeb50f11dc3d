"""The home page: what is going on now."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from webapp.db.repository.runs import get_run
from webapp.pages.clients.demo_offer import demo_said, offer_for, offer_for_run
from webapp.pages.home import home
from webapp.pages.runs.query import asked_of
from webapp.pages.server.lines import server_lines
from webapp.pages.start.form import default_form
from webapp.pages.start.preview import prospect_of
from webapp.routes.dependencies import AnyId
from webapp.routes.html.page import PageDep
from webapp.routes.html.run import said_after

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_home(page: PageDep, request: Request, run: AnyId = 0) -> HTMLResponse:
    """Show the active run, or the next step where there is none."""
    live, demo, asked = page.live, page.parts.demo, asked_of(run, request.query_params)
    now, steered = home(page.session, live), get_run(page.session, run) if run else None
    said = said_after(page, steered, asked, "/") if steered else None
    if asked.done == "demo":
        said = demo_said(demo, now.known, live)
    if now.active and now.head is not None and now.parted is not None:
        offer = offer_for_run(demo, now.head.run, now.parted.taking_part, now.known, live)
    else:
        offer = offer_for(demo, now.known, live)
    form = default_form(client.data.get("dataset") for client in now.online)
    return page.show(
        "home/index.html", "/", page=now, said=said, form=form, offer=offer,
        server=server_lines(page.parts, request.url.netloc),
        prospect=None if now.active else prospect_of(page.session, form, live),
    )  # fmt: skip
