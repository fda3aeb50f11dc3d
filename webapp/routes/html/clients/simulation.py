"""The form that starts simulated clients, what it says of memory, and the button that ends them."""

from typing import get_args

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from federation.run.config import RunConfig
from federation.run.networks import Dataset, Network
from federation.simulation.plan import MAX_CLIENTS
from webapp.formatting import plural
from webapp.operations.simulation.simulated_clients import MAX_PROCESSES
from webapp.pages.clients.simulation import ROUNDS, cost_of, started
from webapp.pages.flash import Flash
from webapp.routes.dependencies import ByDep, NoteDep, PartsDep
from webapp.routes.html.forms import FlashesDep, FormDep, choice_of, number_of, page_of, see_other, text_of
from webapp.routes.html.page import PageDep
from webapp.sanitizing import whole_number

router = APIRouter(prefix="/demo-clients", include_in_schema=False)


@router.get("/cost")
def show_cost(page: PageDep) -> HTMLResponse:
    """Show what the clients of the form will take."""
    said, room = page.request.query_params, page.parts.simulation.room
    clients = whole_number(said.get("count"), least=1, most=max(1, room))
    processes = whole_number(said.get("processes"), least=1, most=MAX_PROCESSES)
    return page.show(
        "clients/_simulation_cost.html",
        "/clients",
        cost=cost_of(clients, said.get("dataset", ""), processes, room, said.get("app", "")),
    )


@router.post("")
def start(parts: PartsDep, flashes: FlashesDep, note: NoteDep, by: ByDep, form: FormDep) -> Response:
    """Start simulated clients, and a run with them where that is wanted; lead back to the page with the form."""
    count = number_of(form, "count", "Clients", MAX_CLIENTS)
    processes = number_of(form, "processes", "Processes", MAX_PROCESSES) if "processes" in form else 1
    if app := text_of(form, "app"):
        work = parts.allowed_apps.choose(app, text_of(form, "node_config"), text_of(form, "data") or None)
        parts.simulation.start(count, work, (), processes)
        return see_other(flashes, page_of(form, "/"), started(count, None, app))
    datasets: tuple[Dataset, ...] = get_args(Dataset)
    dataset = choice_of(form, "dataset", datasets, f"A simulated client can hold {', '.join(datasets)}")
    parts.simulation.start(count, dataset, parts.clients.held_partitions(dataset), processes)
    run_id = None
    if form.get("run") == "1":
        network: Network = "synthetic" if dataset == "synthetic" else "mlp"
        config = RunConfig(dataset=dataset, network=network, num_rounds=ROUNDS, min_clients=max(2, count))
        run_id = parts.runs.create(config, by).id
        note.add_runs([run_id])
    return see_other(flashes, page_of(form, "/"), started(count, run_id))


@router.post("/stop")
def stop(parts: PartsDep, flashes: FlashesDep, form: FormDep) -> Response:
    """End all simulated clients of this dashboard."""
    ended = parts.simulation.end_all()
    return see_other(flashes, page_of(form, "/"), Flash(f"{plural(ended, 'simulated client')} stopped."))
