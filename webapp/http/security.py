"""Middleware before every handler: allowed hosts, cross-origin requests, body sizes, and the security headers."""

import ipaddress
import re
import socket
from collections.abc import Callable

from asgi_cross_origin_protection import CrossOriginProtection
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federation.apps.archive import MAX_PACKED_BYTES
from federation.protocol.addresses import is_ip_address, is_loopback
from federation.protocol.tls.certificates import ServerTls
from webapp.http.audit_trail import AuditTrail, note_refusal
from webapp.http.head_requests import HeadAsGet
from webapp.http.middleware import HttpMiddleware, before_answer
from webapp.http.origin import host_name
from webapp.http.problem_json import problem_response
from webapp.sanitizing import clean_text
from webapp.settings import Settings

MAX_BODY_BYTES = 512 * 1024
UPLOAD_PATHS = {"/api/weights": 1, "/runs": 1, "/api/runs/import": 4, "/runs/import": 4, "/api/apps": 1, "/apps": 1}
"""A form with several parts that is sent there may hold a file: so many times as large as weights may be."""
_TRIED = re.compile(r"/runs/[0-9]{1,16}/try")
"""The form with a case for a run's model may hold a file as well."""
UPLOAD_OVERHEAD_BYTES = 64 * 1024
"""What a form and an archive add to the size of uploaded weights."""
BODY_BYTES = {"/v1/control/start-run": MAX_PACKED_BYTES + UPLOAD_OVERHEAD_BYTES}
"""Bodies that are read into memory and may be larger than others: `flwr run` sends the app."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"
"""Browsers keep to TLS for a year, once they have seen it under this name."""
_DISCONNECTED: Message = {"type": "http.disconnect"}


class SecurityHeaders(HttpMiddleware):
    """Adds the security headers to every response, errors of other middleware included."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its response."""

        def add_headers(head: Message) -> None:
            headers = MutableHeaders(scope=head)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if scope["scheme"] == "https" and _is_default_port(Headers(scope=scope).get("host", "")):
                headers.setdefault("Strict-Transport-Security", HSTS)
            if scope["path"].startswith(("/api/", "/v1/")):
                headers.setdefault("Cache-Control", "no-store")

        await self.app(scope, receive, before_answer(send, add_headers))


class AllowedHosts(HttpMiddleware):
    """Refuses a Host that is not the dashboard's: a foreign page can point its own name here (DNS rebinding)."""

    def __init__(self, app: ASGIApp, allows: Callable[[str], bool]) -> None:
        super().__init__(app)
        self._allows = allows

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to a Host that ``allows`` rejects, and to a request with none or several."""
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or not self._allows(host_name(hosts[0])):
            note_refusal(scope, "foreign host")
            sentence = "This host name is not allowed. Add the name with --allowed-hosts."
            return await problem_response(400, sentence)(scope, receive, send)
        await self.app(scope, receive, send)


class BodyLimit(HttpMiddleware):
    """Refuses a compressed body, and one over half a mebibyte; uploaded weights have a limit of their own.

    The rest of a refused body is not read.
    """

    def __init__(self, app: ASGIApp, max_upload_bytes: int) -> None:
        super().__init__(app)
        self._max_upload_bytes = max_upload_bytes

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 415 to an encoding, and 413 to a length over the limit, whether it is declared or found."""
        encoding = Headers(scope=scope).get("content-encoding", "identity")
        if encoding.lower() != "identity":
            return await _encoding_refused(encoding)(scope, receive, send)
        limit = self._max_upload_bytes * _files_in(scope) or BODY_BYTES.get(scope["path"], MAX_BODY_BYTES)
        refusal = problem_response(413, f"The body is too large: at most {limit:,} bytes are accepted.")
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            return await refusal(scope, receive, send)
        taken, answered = 0, False

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive() if taken <= limit else _DISCONNECTED
            taken += len(message.get("body", b""))
            return message if taken <= limit else _DISCONNECTED

        async def send_unless_refused(message: Message) -> None:
            nonlocal answered
            if taken <= limit or answered:
                answered = True
                await send(message)

        try:
            await self.app(scope, receive_some, send_unless_refused)
        except ClientDisconnect:
            if taken <= limit:
                raise
        if taken > limit and not answered:  # the handler may have failed on the truncated body, or ignored it
            await refusal(scope, receive, send)


def _is_default_port(host: str) -> bool:
    """Say whether a Host header is a name without a port. Browsers keep to TLS for all ports of a name: where the
    dashboard is on another port than 443, other programs of the machine may be on ports without TLS."""
    return bool(host) and ":" not in host and not is_ip_address(host) and not is_loopback(host)


def _files_in(scope: Scope) -> int:
    """Return how large an upload may be; 0: it is none. Its parts go to disk, those without a file are bounded."""
    is_form = Headers(scope=scope).get("content-type", "").startswith("multipart/")
    path = scope["path"]
    return UPLOAD_PATHS.get(path, int(_TRIED.fullmatch(path) is not None)) if is_form else 0


def _encoding_refused(encoding: str) -> Response:
    refusal = problem_response(
        415, f"The body has the Content-Encoding {clean_text(encoding, 40)}: it must be sent without compression."
    )
    refusal.headers["Accept-Encoding"] = "identity"
    return refusal


def guard(app: Starlette, settings: Settings, tls: ServerTls | None = None) -> None:
    """Add the middleware; the last one added sees a request first."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, max_upload_bytes=settings.max_reply_bytes + UPLOAD_OVERHEAD_BYTES)
    app.add_middleware(CrossOriginProtection, deny_app=_refuse_other_site)
    app.add_middleware(AllowedHosts, allows=host_rule(settings, tls))
    app.add_middleware(AuditTrail)
    app.add_middleware(SecurityHeaders)


async def _refuse_other_site(scope: Scope, receive: Receive, send: Send) -> None:
    sentence = "Requests from another site are not allowed. Use the dashboard itself, or send no Origin header."
    note_refusal(scope, "cross-site request")
    await problem_response(403, sentence)(scope, receive, send)


def host_rule(settings: Settings, tls: ServerTls | None = None) -> Callable[[str], bool]:
    """Return a test for allowed hosts: loopback, the bound address, this machine's name, the names of the server's
    certificate, and ``--allowed-hosts``.

    A dashboard that is bound to all addresses allows every literal address, because DNS rebinding needs a name.
    """
    names = {"localhost", settings.host.lower(), socket.gethostname().lower(), *settings.extra_hosts}
    host = settings.host.strip("[]")
    everywhere = is_ip_address(host) and ipaddress.ip_address(host).is_unspecified

    def allows(name: str) -> bool:
        certified = tls is not None and name in tls.certificate.names
        return certified or name in names or is_loopback(name) or (everywhere and is_ip_address(name))

    return allows
