"""The page of clients' own data: columns by clients, and the statistics that they share."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.operations.own_data.comparison import compare_data
from webapp.operations.own_data.held import read_data
from webapp.operations.own_data.statistics import statistics_of
from webapp.pages.clients.label_bars import balance_of
from webapp.routes.html.page import PageDep, shared

router = APIRouter(prefix="/data", include_in_schema=False)


@router.get("/{name}")
@shared
def show(page: PageDep, name: str) -> HTMLResponse:
    """Show the data of a name as the connected clients hold it."""
    clients, told = read_data(page.session, page.live, name)
    compared, statistics = compare_data(name, clients, told), statistics_of(name, clients, told)
    return page.show(
        "own_data/show.html", "/clients", data=compared, statistics=statistics, balance=balance_of(statistics)
    )
