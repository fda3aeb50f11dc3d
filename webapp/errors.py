"""Expected failures: an exception carries a status and a sentence; the API answers problem+json, pages HTML."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from webapp.headers import HEADERS
from webapp.outage import DatabaseUnavailable
from webapp.templating import Frame, render

log = logging.getLogger(__name__)

_MACHINES = ("/api/", "/healthz", "/readyz", "/openapi.json")


class Problem(Exception):
    """A failure that is the caller's to mend: what status it has and a sentence that says what to do."""

    status = 400

    def __init__(self, sentence: str, status: int | None = None, fields: Sequence["FieldError"] = ()) -> None:
        super().__init__(sentence)
        self.sentence, self.fields = sentence, fields
        self.status = status or self.status


class NotFound(Problem):
    """There is no such thing."""

    status = 404


class Conflict(Problem):
    """The state of the thing does not allow it."""

    status = 409


class Invalid(Problem):
    """A value that its type allows and we do not."""

    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", fields=[FieldError(field=field, message=message)])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["num_rounds"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class ProblemBody(BaseModel):
    """An error as RFC 9457 has it; ``detail`` is a sentence a person can act on."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no run 12."])
    errors: list[FieldError] = Field(default_factory=list, description="One a field, where fields are to blame.")


def problem_response(status: int, sentence: str, fields: Sequence[FieldError] = ()) -> Response:
    """Return the problem+json answer."""
    body = ProblemBody(title=HTTPStatus(status).phrase, status=status, detail=sentence, errors=list(fields))
    return JSONResponse(body.model_dump(), status, media_type="application/problem+json")


def wants_json(path: str) -> bool:
    """Say whether a path is for programs rather than for people."""
    return path.startswith(_MACHINES) or path == "/api"


def install_errors(app: FastAPI) -> None:
    """Make every failure of the app's handlers a sentence."""

    @app.exception_handler(Problem)
    def answer_problem(request: Request, error: Problem) -> Response:
        return _answer(request, error.status, error.sentence, error.fields)

    @app.exception_handler(DatabaseUnavailable)
    def answer_outage(request: Request, error: DatabaseUnavailable) -> Response:
        log.error("%s", error)
        return _answer(request, 503, error.sentence)

    @app.exception_handler(RequestValidationError)
    def answer_bad_input(request: Request, error: RequestValidationError) -> Response:
        fields = [_field_error(one) for one in error.errors()]
        return _answer(request, 422, "; ".join(f"{f.field}: {f.message}" for f in fields[:5]), fields)

    @app.exception_handler(HTTPException)
    def answer_http(request: Request, error: HTTPException) -> Response:
        answer = _answer(request, error.status_code, _sentence(error))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def answer_bug(request: Request, error: Exception) -> Response:
        answer = _answer(request, 500, "That was a mistake of Meadow's own. Its log says more.")
        answer.headers.update(HEADERS)  # this answer is made outside of the middleware that sets them
        return answer


def field_errors(errors: Sequence[Any]) -> list[FieldError]:
    """Return pydantic's errors by field, without the values that were given."""
    return [_field_error(error) for error in errors]


def _field_error(error: Any) -> FieldError:
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        where, message = [], "is not JSON"
    return FieldError(field=".".join(where)[:200] or "body", message=message[:500])


def _sentence(error: HTTPException) -> str:
    if error.status_code == 404:
        return "There is nothing at this address."
    if error.status_code == 405:
        return "This address does not take that method."
    return error.detail


def _answer(request: Request, status: int, sentence: str, fields: Sequence[FieldError] = ()) -> Response:
    if wants_json(request.url.path):
        return problem_response(status, sentence, fields)
    title = HTTPStatus(status).phrase
    return render(request, "errors/problem.html", Frame(), status, title=title, sentence=sentence, fields=fields)
