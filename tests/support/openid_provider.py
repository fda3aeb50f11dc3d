"""A small OpenID provider: discovery, keys, an authorization endpoint without a form, and tokens signed with RS256."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "meadow", "s3cret of the provider"


class OpenIdProvider:
    """What it says of the person is ``claims``; a test changes these, and what else is wrong with its answers."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "0001", "preferred_username": "Ada", "roles": ["lab-admins"]}
        self.wrong: dict[str, Any] = {}
        """Claims of the id token that replace the right ones; None leaves one out."""
        self.codes: dict[str, dict[str, str]] = {}
        self.waiting: list[str] = []
        """What was asked while it was silent."""
        self.is_silent = False
        self.released = threading.Event()
        self.key = self.signing_key = RSAKey.generate_key(2048, {"kid": "1"})
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, urlsplit(self.path).path, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.answer(self, self.path, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/lab"

    def answer(self, request: BaseHTTPRequestHandler, path: str, form: dict[str, str]) -> None:
        path = path.removeprefix("/realms/lab")
        if self.is_silent:
            self.waiting.append(path)
            self.released.wait(30)
            return
        status, body = (200, self.description()) if path == "/.well-known/openid-configuration" else (404, {})
        if path == "/keys":
            status, body = 200, dict(KeySet([self.key]).as_dict(private=False))
        if path == "/token":
            status, body = self.token(request, form)
        content = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def description(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in names.items()}

    def visit(self, address: str) -> str:
        """Do what a browser and a person do at the authorization endpoint; return the address that leads back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?") and query["client_id"] == CLIENT
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert "openid" in query["scope"].split() and len(query["state"]) >= 32 and len(query["nonce"]) >= 32
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        begun = self.codes.pop(form.get("code", ""), {})
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        authorization = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if (
            begun.get("code_challenge") != challenge.decode()
            or begun.get("redirect_uri") != form["redirect_uri"]
            or request.headers["Authorization"] != f"Basic {authorization}"
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims |= self.claims | self.wrong
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": str(self.signing_key.kid)}
        return 200, {
            "access_token": "x",
            "token_type": "Bearer",
            "id_token": jwt.encode(header, claims, self.signing_key),
        }


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """Serve a provider until the end of the block."""
    made = OpenIdProvider()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), name="openid-provider")
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)
