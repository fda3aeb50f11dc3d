"""/api/runs/{id}/…: one call for each verb that steers a run."""

from collections.abc import Callable
from inspect import getdoc
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, create_model

from webapp.operations.views import RunView
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, REFUSED
from webapp.routes.dependencies import Id, NoteDep, PartsDep, SteeringDep
from webapp.routes.steering_verbs import VERBS, Argument, Verb

router = APIRouter(prefix="/api/runs/{run_id}", responses={**REFUSED, **CONFLICT})


def _body(argument: Argument) -> type[StrictBody]:
    number = Annotated[int, Field(ge=1, le=argument.most, examples=[argument.example])]
    field: dict[str, Any] = {argument.field: number}
    return create_model(argument.body, __base__=StrictBody, __doc__=argument.description, **field)


def _endpoint(verb: Verb) -> Callable[..., RunView]:
    def act(steering: SteeringDep, parts: PartsDep, run_id: Id) -> RunView:
        verb.operation(steering, run_id)
        return parts.runs.show(run_id)

    def act_with_number(steering: SteeringDep, parts: PartsDep, note: NoteDep, run_id: Id, body: StrictBody) -> RunView:
        note.detail |= body.model_dump()
        verb.operation(steering, run_id, *body.model_dump().values())
        return parts.runs.show(run_id)

    if verb.argument is None:
        return act
    act_with_number.__annotations__["body"] = _body(verb.argument)  # FastAPI reads a body's model from the annotation
    return act_with_number


for verb in VERBS:
    router.add_api_route(
        f"/{verb.name}", _endpoint(verb), methods=["POST"], status_code=202, tags=[verb.tag],
        name=verb.operation.__name__, description=" ".join((getdoc(verb.operation) or "").split()),
    )  # fmt: skip
