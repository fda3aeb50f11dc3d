"""The forms that steer a run, one route for each verb, and the page that asks before a run is stopped."""

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from webapp.db.repository.clients import list_clients
from webapp.operations.run_moves import get_run
from webapp.pages.clients.rows import split
from webapp.pages.flash import Flash
from webapp.pages.runs.buttons import STOPPABLE
from webapp.problems import Conflict
from webapp.routes.dependencies import NoteDep, PartsDep, SteeringDep
from webapp.routes.html.forms import FlashesDep, FormDep, number_of, page_of, see_other
from webapp.routes.html.page import PageDep, RunId
from webapp.routes.steering_verbs import CLIENT, VERBS, Done, Verb

router = APIRouter(prefix="/runs/{run_id}", include_in_schema=False)


@router.get("/stop")
def ask_to_stop(page: PageDep, run_id: RunId) -> HTMLResponse:
    """Ask whether a run is to be stopped, and say what is kept and what is lost."""
    run = get_run(page.session, run_id)
    live = page.live
    working = [c for c in split(page.session, run, list_clients(page.session), live).taking_part if c.id in live]
    return page.show("runs/stop.html", "/runs", run=run, clients=len(working), can_stop=run.state in STOPPABLE)


def _handler(verb: Verb) -> Callable[..., Response]:
    def steer(
        steering: SteeringDep, parts: PartsDep, flashes: FlashesDep, note: NoteDep, run_id: RunId,
        form: FormDep,
    ) -> Response:  # fmt: skip
        argument = verb.argument
        number = number_of(form, argument.field, argument.label, argument.most) if argument else 0
        note.detail |= {argument.field: number} if argument else {}
        try:
            verb.operation(steering, run_id, *([number] if argument else []))
        except Conflict:
            if parts.runs.show(run_id).state not in verb.reached:
                raise
        done = Done(parts.runs.show(run_id), number, parts.clients.show(number).name if argument is CLIENT else "")
        here = f"/runs/{run_id}"
        back = page_of(form, here)
        return see_other(
            flashes, back, Flash(verb.sentence(done), f"{here}/{verb.undo}" if verb.undo else "", back=back)
        )

    return steer


for verb in VERBS:
    router.add_api_route(f"/{verb.name}", _handler(verb), methods=["POST"])
