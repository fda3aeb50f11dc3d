"""What the API's refusals look like in its description."""

from typing import Any

from webapp.http.problem_json import ProblemBody

Responses = dict[int | str, dict[str, Any]]


def _problem(what: str) -> dict[str, Any]:
    return {"model": ProblemBody, "description": what}


REFUSED: Responses = {
    400: _problem("A foreign Host, or a body that is no JSON."),
    403: _problem("A request of another site."),
    413: _problem("A body that is too large."),
    415: _problem("A body with a Content-Encoding."),
    503: _problem("The database takes or gives nothing now; the sentence says why."),
    422: _problem("A field that is unknown or has a bad value; `errors` names it."),
}
MISSING: Responses = {404: _problem("There is no such thing.")}
CONFLICT: Responses = {**MISSING, 409: _problem("The present state does not allow it.")}
