"""Records every unsafe request, and every one that was not allowed, in the audit log. An answer waits for its entry,
but not for long.

While entries wait for the database, an unsafe request is answered with 503 and changes nothing.
"""

from typing import Any

from anyio import CancelScope
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from federation.run.events import StoreUnavailable
from webapp.http.middleware import HttpMiddleware
from webapp.http.origin import client_address
from webapp.http.problem_json import problem_response
from webapp.operations.audit.attempts import ANONYMOUS, LOCAL, Actor, Attempt, Note, Outcome
from webapp.operations.audit.log import AuditLog

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
QUESTIONS = frozenset(f"/v1/control/{call}" for call in ("list-runs", "stream-logs", "get-auth-tokens"))
"""Calls of the flwr command, which knows POST alone: they change nothing, unless their handler says so."""
REFUSED = frozenset({401, 403, 429})
UNAVAILABLE = "The audit log cannot be written, so nothing may be changed now. Try again later."


class AuditTrail(HttpMiddleware):
    """Adds an entry for a request when the status of its answer is known, or when the app has failed."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its handler finds a ``Note`` for the entry in ``request.state.audit``."""
        log: AuditLog = scope["app"].state.parts.audit
        scope.setdefault("state", {})["audit"] = Note()
        is_unsafe, recorded = scope["method"] not in SAFE and scope["path"] not in QUESTIONS, False

        async def record(status: int | None) -> None:
            nonlocal recorded
            recorded, outcome = True, _outcome(scope, status, is_unsafe=is_unsafe)
            if is_unsafe or scope["state"]["audit"].is_change or outcome == Outcome.REFUSED:
                with CancelScope(shield=True):
                    await run_in_threadpool(log.record, _attempt(scope, outcome, status))

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start" and not recorded:
                await record(message["status"])
            await send(message)

        if is_unsafe and log.is_behind:
            try:
                await run_in_threadpool(log.require)
            except StoreUnavailable:
                return await problem_response(503, UNAVAILABLE)(scope, receive, send)
        status = None
        try:
            await self.app(scope, receive, send_recorded)
        except Exception:
            status = 500
            raise
        finally:
            if not recorded:
                await record(status)


def note_refusal(scope: Scope, reason: str) -> None:
    """Say why a request is refused before it reaches a handler."""
    note = scope.get("state", {}).get("audit")
    if isinstance(note, Note):
        note.refusal = reason


def _outcome(scope: Scope, status: int | None, *, is_unsafe: bool) -> Outcome:
    state = scope["state"]
    sent_to_login = is_unsafe and state.get("principal") is None and state.get("need") != "open"
    if status in REFUSED or state["audit"].refusal or sent_to_login:
        return Outcome.REFUSED
    return Outcome.FAILED if status is None or status >= 400 else Outcome.DONE


def _attempt(scope: Scope, outcome: Outcome, status: int | None) -> Attempt:
    note: Note = scope["state"]["audit"]
    template, parameters = getattr(scope.get("route"), "path", note.template), scope.get("path_params", note.parameters)
    action = f"{scope['method']} {template}".rstrip()
    targets = [f"{name.removesuffix('_id')} {value}" for name, value in parameters.items()]
    target = note.target or (", ".join(targets) if template else scope["path"])
    detail = note.detail | ({"refusal": note.refusal} if note.refusal else {})
    address = client_address(Request(scope))
    return Attempt(note.actor or _actor(scope["state"]), action, outcome, target, address, status, detail)


def _actor(state: dict[str, Any]) -> Actor:
    """Return who acts; a request that was refused before anybody asked is anonymous."""
    principal = state.get("principal")
    if principal is None:
        return ANONYMOUS
    return LOCAL if principal.kind == LOCAL.kind else Actor(str(principal.kind), principal.name, principal.id)
