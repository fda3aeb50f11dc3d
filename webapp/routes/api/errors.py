"""What the API's refusals look like in its description."""

from typing import Any

from webapp.http.problem_json import ProblemBody

Responses = dict[int | str, dict[str, Any]]


def _problem(what: str) -> dict[str, Any]:
    return {"model": ProblemBody, "description": what}


REFUSED: Responses = {
    400: _problem("The Host is not allowed, or the body is not JSON."),
    403: _problem("The request comes from another site."),
    413: _problem("The body is too large."),
    415: _problem("The body has a Content-Encoding."),
    503: _problem("The database cannot be used now; `detail` says why."),
    422: _problem("A field is unknown or has an invalid value; `errors` names the field."),
}
STORED: Responses = {507: _problem("The disk does not take the file; `detail` says why.")}
MISSING: Responses = {404: _problem("The run, client or file does not exist.")}
CONFLICT: Responses = {**MISSING, 409: _problem("The current state does not allow the action.")}
