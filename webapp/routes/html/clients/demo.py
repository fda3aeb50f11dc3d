"""The form that starts demo clients."""

from typing import get_args

from fastapi import APIRouter
from fastapi.responses import Response

from federation.run.networks import DemoDataset
from webapp.operations.demo_clients import MOST
from webapp.pages.clients.demo_offer import started
from webapp.problems import Invalid
from webapp.routes.dependencies import ClientsDep, PartsDep
from webapp.routes.html.forms import FlashesDep, FormDep, number_of, page_of, see_other

router = APIRouter(prefix="/demo-clients", include_in_schema=False)


@router.post("")
def start(parts: PartsDep, clients: ClientsDep, flashes: FlashesDep, form: FormDep) -> Response:
    """Start demo clients on this machine and lead back to the page with the button."""
    count = number_of(form, "count", "Clients", MOST)
    dataset = next((known for known in get_args(DemoDataset) if known == form.get("dataset")), None)
    if dataset is None:
        raise Invalid("dataset", "A demo client can hold digits or synthetic")
    names = [one.name for one in parts.demo.start(count, dataset, clients.held_partitions(dataset))]
    return see_other(flashes, page_of(form, "/"), started(names, approval=parts.settings.admission_rule == "approve"))
