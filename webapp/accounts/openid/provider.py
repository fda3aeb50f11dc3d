"""Asks an OpenID provider: where its endpoints are, its keys, and the id token for a code. Each answer is bounded."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from federation.protocol.addresses import is_loopback
from webapp.problems import Problem
from webapp.sanitizing import clean_text

SECONDS, MAX_BYTES, KEPT_SECONDS, REFRESH_SECONDS = 10.0, 512 * 1024, 3600.0, 60.0


class ProviderUnavailable(Problem):
    """The provider does not answer, or not as OpenID Connect says."""

    status = 503

    def __init__(self, why: str) -> None:
        super().__init__(f"The sign-in provider cannot be used now: {why}. Try again later.")


class CodeRefused(Problem):
    """The provider gives nothing for the code."""

    status = 403


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the provider's description says."""

    authorize: str
    token: str
    keys: str
    auth_method: str


class Provider:
    """One provider. Any thread may use it; its description and keys are kept for an hour.

    Nobody waits while another thread asks for the description: strangers could hold every thread of a dashboard whose
    provider is silent. ``seconds`` is the longest that an answer may take.
    """

    def __init__(self, issuer: str, client_id: str, secret: str, seconds: float = SECONDS) -> None:
        self.issuer, self.client_id, self._secret, self._seconds = issuer, client_id, secret, seconds
        self._is_local = is_loopback(urlsplit(issuer).hostname or "")
        self._discovering = threading.Lock()
        self._endpoints: tuple[float, Endpoints] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def endpoints(self) -> Endpoints:
        """Return the endpoints; raises ProviderUnavailable."""
        kept = self._endpoints
        if kept is None or time.monotonic() - kept[0] > KEPT_SECONDS:
            if not self._discovering.acquire(blocking=False):
                raise ProviderUnavailable("it has not answered yet")
            try:
                kept = time.monotonic(), self._discover()
            finally:
                self._discovering.release()
            self._endpoints = kept
        return kept[1]

    def keys(self, *, refresh: bool = False) -> KeySet:
        """Return the keys of id tokens; with ``refresh`` they are at most a minute old. Raises ProviderUnavailable."""
        kept = self._keys
        if kept is None or time.monotonic() - kept[0] > (REFRESH_SECONDS if refresh else KEPT_SECONDS):
            try:
                kept = time.monotonic(), KeySet.import_key_set(_object(self._ask("GET", self.endpoints().keys)))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise ProviderUnavailable("its keys cannot be read") from error
            self._keys = kept
        return kept[1]

    def id_token(self, code: str, verifier: str, redirect_uri: str) -> str:
        """Return the id token for a code; raises CodeRefused, ProviderUnavailable."""
        endpoints = self.endpoints()
        body = urlencode({
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        })  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(self.client_id, self._secret, endpoints.auth_method)
        url, headers, body = auth.prepare("POST", endpoints.token, headers, body)
        status, answer = self._ask("POST", url, headers, body)
        if status in (400, 401):
            raise CodeRefused(f"The sign-in provider refused: {clean_text(str(answer.get('error', status)), 100)}.")
        token = _object((status, answer)).get("id_token")
        if not isinstance(token, str):
            raise ProviderUnavailable("its answer has no id token")
        return token

    def _discover(self) -> Endpoints:
        found = _object(self._ask("GET", get_well_known_url(self.issuer, external=True)))
        if found.get("issuer") != self.issuer:
            raise ProviderUnavailable("it names another issuer")
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        authorize, token, keys = (str(found.get(name, "")) for name in names)
        for url in (authorize, token, keys):
            self._check_address(url)
        return Endpoints(authorize, token, keys, method)

    def _check_address(self, url: str) -> None:
        parts = urlsplit(url)
        is_local = self._is_local and parts.scheme == "http" and is_loopback(parts.hostname or "")
        if not (parts.scheme == "https" or is_local) or not parts.hostname:
            raise ProviderUnavailable("an address in its description does not begin with https://")

    def _ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object; raises ProviderUnavailable, also where the answer takes too long."""
        content, ends = bytearray(), time.monotonic() + self._seconds
        headers = {"Accept": "application/json", **(headers or {})}
        try:
            with (
                httpx.Client(timeout=self._seconds / 2, trust_env=not self._is_local) as http,
                http.stream(method, url, headers=headers, content=body) as answer,
            ):  # fmt: skip
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > MAX_BYTES or time.monotonic() > ends:
                        raise ProviderUnavailable("its answer is too long or too slow")
                status = answer.status_code
            found = json.loads(content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable("it does not answer") from error
        except (ValueError, RecursionError) as error:
            raise ProviderUnavailable("its answer is not JSON") from error
        return status, found if isinstance(found, dict) else {}


def _object(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    status, found = answer
    if status != 200:
        raise ProviderUnavailable(f"it answers with status {status}")
    return found
