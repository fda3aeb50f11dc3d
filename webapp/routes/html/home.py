"""The home page: the active runs, or the next step where there is none."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.pages.clients.candidates import Candidate, candidates_of
from webapp.pages.clients.holdings import dataset_of
from webapp.pages.clients.simulation import offer_for, offer_for_run
from webapp.pages.home import home
from webapp.pages.server.lines import server_lines
from webapp.pages.start.form import default_form
from webapp.pages.start.preview import preview_run
from webapp.routes.html.page import PageDep, shared

router = APIRouter(include_in_schema=False)


@router.get("/")
@shared
def show_home(page: PageDep) -> HTMLResponse:
    """Show the active runs, or the next step where there is none."""
    live, simulation = page.live, page.parts.simulation
    now = home(page.session, page.parts.series, live)
    candidates: list[Candidate] = []
    simulated = offer_for(simulation, now.known, live, starts_run=True, apps=page.parts.allowed_apps)
    if now.active and now.head is not None and now.parted is not None:
        candidates = candidates_of(now.head.run, now.parted, now.known, live)
        offer = offer_for_run(simulation, now.head.run, now.parted.taking_part, now.known, live)
    else:
        offer = simulated
    form = default_form(dataset_of(client) for client in now.online)
    return page.show(
        "home/index.html", "/", page=now, form=form, offer=offer, simulated=simulated, candidates=candidates,
        server_lines=server_lines(page.parts, page.root_address), is_ready=page.parts.flower.is_running,
        uptime_seconds=page.parts.uptime_seconds, parallel_runs=page.parts.settings.parallel_runs,
        preview=None if now.active else preview_run(page.session, form, live),
    )  # fmt: skip
