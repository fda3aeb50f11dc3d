"""An expected failure as the API answers it: ``application/problem+json`` (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from webapp.http.requests.ids import current_request_id
from webapp.problems import FieldError

_MACHINES = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/control/")


class ProblemBody(BaseModel):
    """An error in the format of RFC 9457; ``detail`` says what to do."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no run 12."])
    errors: list[FieldError] = Field(default_factory=list, description="One entry for each invalid field.")
    request_id: str | None = Field(None, description="Id of the request in the log of the server.")


def problem_response(status: int, sentence: str, fields: Sequence[FieldError] = ()) -> Response:
    """Return the problem+json answer."""
    body = ProblemBody(title=HTTPStatus(status).phrase, status=status, detail=sentence, errors=list(fields))
    body.request_id = current_request_id()
    return JSONResponse(body.model_dump(), status, media_type="application/problem+json")


def wants_json(path: str) -> bool:
    """Say whether a path is for programs rather than for people."""
    return path.startswith(_MACHINES) or path == "/api"
