"""/api/runs/{id}/…: one call for each verb that steers a run."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, create_model

from webapp.operations.views import RunView
from webapp.routes.api.errors import CONFLICT, REFUSED
from webapp.routes.dependencies import Id, RunsDep, SteeringDep
from webapp.routes.steering_verbs import VERBS, Argument, Verb

router = APIRouter(prefix="/api/runs/{run_id}", responses={**REFUSED, **CONFLICT})


def _body(argument: Argument) -> type[BaseModel]:
    number = Annotated[int, Field(ge=1, le=argument.most, examples=[argument.example])]
    fields: dict[str, Any] = {argument.field: number}
    config = ConfigDict(extra="forbid", frozen=True, strict=True)
    return create_model(argument.body, __config__=config, __doc__=argument.description, **fields)


def _endpoint(verb: Verb) -> Callable[..., RunView]:
    def act(steering: SteeringDep, runs: RunsDep, run_id: Id) -> RunView:
        verb.operation(steering, run_id)
        return runs.show(run_id)

    def act_with_number(steering: SteeringDep, runs: RunsDep, run_id: Id, body: BaseModel) -> RunView:
        verb.operation(steering, run_id, *body.model_dump().values())
        return runs.show(run_id)

    if verb.argument is None:
        return act
    act_with_number.__annotations__["body"] = _body(verb.argument)  # FastAPI reads a body's model from the annotation
    return act_with_number


for verb in VERBS:
    router.add_api_route(
        f"/{verb.name}", _endpoint(verb), methods=["POST"], status_code=202, name=verb.action, tags=[verb.tag],
        description=verb.description,
    )  # fmt: skip
