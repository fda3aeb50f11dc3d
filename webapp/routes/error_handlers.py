"""How a failure is answered: the API by problem+json, pages by HTML, each with a sentence that says what to do."""

import logging
from collections.abc import Sequence
from errno import EDQUOT, ENOSPC
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException

from webapp.db.failures import DatabaseUnavailable
from webapp.http.problem_json import problem_response, wants_json
from webapp.http.requests.ids import HEADER, current_request_id
from webapp.http.security import HEADERS
from webapp.pages.templating import Frame, render
from webapp.problems import FieldError, Problem

MAX_FIELDS = 50
"""So many wrong fields are named in an answer."""

log = logging.getLogger(__name__)

DISK_FULL = (ENOSPC, EDQUOT)
HEADLINES = {
    401: "Not signed in", 403: "Not allowed", 404: "Page not found", 409: "Not possible now", 422: "Invalid input",
    429: "Too many attempts", 500: "Internal error", 503: "Temporarily unavailable",
}  # fmt: skip
"""Headlines of the pages for errors; other errors have the phrase of their status."""


def install_errors(app: FastAPI) -> None:
    """Make every failure of the app's handlers a sentence."""

    @app.exception_handler(Problem)
    def answer_problem(request: Request, error: Problem) -> Response:
        answer = answer_failure(request, error.status, error.sentence, error.fields)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(DatabaseUnavailable)
    def answer_outage(request: Request, error: DatabaseUnavailable) -> Response:
        log.error("%s", error)
        return answer_failure(request, 503, error.sentence)

    @app.exception_handler(RequestValidationError)
    def answer_bad_input(request: Request, error: RequestValidationError) -> Response:
        fields = [_field_error(one) for one in error.errors()[:MAX_FIELDS]]
        return answer_failure(request, 422, "; ".join(f"{f.field}: {f.message}" for f in fields[:5]), fields)

    @app.exception_handler(FormParserError)
    def answer_no_form(request: Request, _error: FormParserError) -> Response:
        return answer_failure(request, 400, "The body is not the form that its Content-Type names.")

    @app.exception_handler(HTTPException)
    def answer_http(request: Request, error: HTTPException) -> Response:
        status, sentence = error.status_code, _sentence(error)
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:  # FastAPI could not store the body that came in
            status, sentence = 507, f"The body cannot be stored: {cause.strerror}. Free up disk space."
        answer = answer_failure(request, status, sentence)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    def answer_bug(request: Request, error: Exception) -> Response:
        answer = answer_failure(request, 500, "Internal error in Meadow. See the log of the server.")
        answer.headers.update(HEADERS | {HEADER: current_request_id() or ""})  # no middleware sets them on this answer
        return answer


def _field_error(error: Any) -> FieldError:
    where = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        where, message = [], "is not JSON"
    return FieldError(field=".".join(where)[:200] or "body", message=message[:500])


def _sentence(error: HTTPException) -> str:
    if error.status_code == 404:
        return "This address does not exist."
    if error.status_code == 405:
        return "This address does not support the method of the request."
    return error.detail


def answer_failure(request: Request, status: int, sentence: str, fields: Sequence[FieldError] = ()) -> Response:
    """Return the answer to a request that failed: problem+json for programs, a page for people."""
    if wants_json(request.url.path):
        return problem_response(status, sentence, fields)
    headline = HEADLINES.get(status, HTTPStatus(status).phrase)
    shown = {"headline": headline, "sentence": sentence, "fields": fields}
    return render(request, "errors/problem.html", Frame(), status, request_id=current_request_id(), **shown)
