"""The one list of what each address needs. A request for anything else is refused: a new route needs its line here."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

from starlette.routing import compile_path

from webapp.accounts.principal import Principal

MAX_KNOWN = 200
"""Characters of a method and a path whose need is remembered."""


class Need(StrEnum):
    """What a request needs: nothing, or a principal with a role."""

    OPEN = "open"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def is_met_by(self, principal: Principal | None) -> bool:
        """Return whether a principal may make the request."""
        return self is Need.OPEN or (principal is not None and principal.may(self))

    def is_above(self, other: "Need") -> bool:
        """Return whether this one needs more."""
        order = list(Need)
        return order.index(self) > order.index(other)


_OPEN = """
GET /healthz
GET /readyz
GET /login
POST /login
GET /login/openid
GET /login/openid/callback
GET /static/{path:path}
"""
_VIEWER = """
GET /
GET /experiments
GET /experiments/{experiment_id}
GET /runs
GET /runs/compare
GET /runs/{run_id}
GET /clients
GET /clients/{client_id}
GET /server
GET /metrics
GET /docs
GET /openapi.json
GET /account
POST /account/password
POST /account/tokens
POST /account/tokens/{token_id}/revoke
POST /logout
POST /logout/everywhere
GET /api/me
GET /api/tokens
POST /api/tokens
DELETE /api/tokens/{token_id}
GET /api/experiments
GET /api/experiments/{experiment_id}
GET /api/experiments/{experiment_id}/results.csv
GET /api/experiments/{experiment_id}/results.tex
GET /api/experiments/{experiment_id}/series
GET /api/runs
GET /api/runs/compare
GET /api/runs/{run_id}
GET /api/runs/{run_id}/rounds
GET /api/runs/{run_id}/confusion
GET /api/runs/{run_id}/metrics
GET /api/runs/{run_id}/metrics.csv
GET /api/runs/{run_id}/series
GET /api/runs/{run_id}/events
GET /api/runs/{run_id}/mlflow
GET /api/runs/{run_id}/tensorboard
GET /api/events
GET /api/clients
GET /api/clients/{client_id}
GET /api/clients/{client_id}/last-failure
GET /api/demo-clients
GET /api/options
"""
_OPERATOR = """
GET /runs/new
GET /experiments/new
POST /experiments
POST /experiments/{experiment_id}/pause
POST /experiments/{experiment_id}/resume
GET /experiments/{experiment_id}/cancel
POST /experiments/{experiment_id}/cancel
POST /runs
POST /runs/archive
POST /runs/import
POST /runs/restore
GET /runs/delete
POST /runs/delete
POST /runs/{run_id}/rename
GET /runs/{run_id}/notes
POST /runs/{run_id}/notes
POST /runs/{run_id}/pin
POST /runs/{run_id}/unpin
GET /runs/{run_id}/stop
GET /clients/add
POST /clients/add
POST /clients/add/key
POST /clients/add/{code_id}/revoke
POST /clients/{client_id}/approve
GET /clients/{client_id}/revoke
POST /clients/{client_id}/revoke
POST /clients/{client_id}/leave-out
POST /clients/{client_id}/let-in
POST /clients/{client_id}/end
POST /clients/{client_id}/rename
GET /demo-clients/cost
POST /demo-clients
POST /demo-clients/stop
POST /api/experiments
POST /api/experiments/{experiment_id}/pause
POST /api/experiments/{experiment_id}/resume
POST /api/experiments/{experiment_id}/cancel
POST /api/runs
POST /api/runs/import
DELETE /api/runs/{run_id}
GET /api/runs/{run_id}/model
GET /api/runs/{run_id}/export
POST /api/runs/{run_id}/rename
POST /api/runs/{run_id}/note
POST /api/runs/{run_id}/tags
POST /api/runs/{run_id}/archive
POST /api/runs/{run_id}/restore
POST /api/runs/{run_id}/pin
POST /api/runs/{run_id}/unpin
POST /api/weights
POST /api/clients
GET /api/join-codes
POST /api/join-codes
POST /api/join-codes/{code_id}/revoke
POST /api/clients/{client_id}/approve
POST /api/clients/{client_id}/revoke
POST /api/clients/{client_id}/rename
POST /api/clients/{client_id}/leave-out
POST /api/clients/{client_id}/let-in
POST /api/demo-clients
DELETE /api/demo-clients
DELETE /api/demo-clients/{number}
"""
_STEERING = "pause continue resume rounds exclude include min_clients wait front stop"
_ADMIN = """
GET /audit
GET /api/audit
GET /api/audit/verify
GET /api/audit.csv
GET /api/audit.jsonl
GET /setup
POST /setup
GET /people
POST /people
POST /people/{user_id}/role
POST /people/{user_id}/password
POST /people/{user_id}/disable
POST /people/{user_id}/enable
GET /people/{user_id}/remove
POST /people/{user_id}/remove
GET /notifications
POST /notifications
GET /notifications/{channel_id}
POST /notifications/{channel_id}
POST /notifications/{channel_id}/test
POST /notifications/{channel_id}/enable
POST /notifications/{channel_id}/disable
POST /notifications/{channel_id}/remove
GET /api/notifications/channels
POST /api/notifications/channels
PATCH /api/notifications/channels/{channel_id}
DELETE /api/notifications/channels/{channel_id}
POST /api/notifications/channels/{channel_id}/enable
POST /api/notifications/channels/{channel_id}/disable
POST /api/notifications/channels/{channel_id}/test
GET /api/notifications/deliveries
GET /api/users
POST /api/users
GET /api/users/{user_id}
DELETE /api/users/{user_id}
POST /api/users/{user_id}/role
POST /api/users/{user_id}/password
POST /api/users/{user_id}/disable
POST /api/users/{user_id}/enable
"""


def _rows() -> Iterator[tuple[tuple[str, str], Need]]:
    for need, lines in ((Need.OPEN, _OPEN), (Need.VIEWER, _VIEWER), (Need.OPERATOR, _OPERATOR), (Need.ADMIN, _ADMIN)):
        for line in lines.split("\n"):
            if line:
                method, _, path = line.partition(" ")
                yield (method, path), need
    for verb in _STEERING.split():
        for prefix in ("", "/api"):
            yield ("POST", f"{prefix}/runs/{{run_id}}/{verb}"), Need.OPERATOR


POLICY: dict[tuple[str, str], Need] = dict(_rows())
"""What the method and path template of each route needs. HEAD is GET."""


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str], Need]]:
    return [(method, compile_path(path)[0], need) for (method, path), need in POLICY.items()]


def route_of(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Return template and parameters of the route that a request asks for; None where none is listed."""
    for (of, template), (_, pattern, _need) in zip(POLICY, _patterns(), strict=True):
        if of == method and (match := pattern.match(path)):
            return template, match.groupdict()
    return None


def need_of(method: str, path: str) -> Need | None:
    """Return what a request needs: of all lines that match it the one that needs most; None where there is none.

    What is long is not remembered: strangers choose it.
    """
    return _known_need_of(method, path) if len(method) + len(path) <= MAX_KNOWN else _find_need_of(method, path)


def _find_need_of(method: str, path: str) -> Need | None:
    found: Need | None = None
    for of, pattern, need in _patterns():
        if of == method and pattern.match(path) and (found is None or need.is_above(found)):
            found = need
    return found


_known_need_of = lru_cache(maxsize=4096)(_find_need_of)
