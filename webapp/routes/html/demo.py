"""What the button that starts demo clients posts: it leads back to the page that it stood on."""

import re
from typing import Annotated, get_args

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from federation.run.config import DemoDataset
from webapp.operations.demo_clients import MOST
from webapp.problems import Invalid
from webapp.routes.dependencies import ClientsDep, DemoDep
from webapp.routes.html.page import read_form

router = APIRouter(prefix="/demo-clients", include_in_schema=False)

FormDep = Annotated[FormData, Depends(read_form)]
SEE_OTHER = 303
BACK = re.compile(r"/(clients|runs/[0-9]{1,15})?")


@router.post("")
def start(demo: DemoDep, clients: ClientsDep, form: FormDep) -> Response:
    """Start demo clients on this machine."""
    count, dataset = form.get("count"), form.get("dataset")
    if count not in [str(number) for number in range(1, MOST + 1)]:
        raise Invalid("count", f"Clients: a whole number from 1 to {MOST} is needed")
    held = next((known for known in get_args(DemoDataset) if known == dataset), None)
    if held is None:
        raise Invalid("dataset", "A demo client holds digits or synthetic")
    demo.start(int(str(count)), held, clients.held_parts(held))
    back = str(form.get("back", ""))
    return RedirectResponse(f"{back if BACK.fullmatch(back) else '/'}?done=demo", SEE_OTHER)
