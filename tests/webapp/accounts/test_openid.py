"""Sign-in with an OpenID provider: the way there and back, what an id token must prove, accounts and roles."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from tests.support.processes import free_port, wait_until
from webapp.accounts.openid.claims import role_of
from webapp.accounts.openid.pending import MOST, SECONDS, PendingSignIns
from webapp.accounts.openid.provider import Provider, ProviderUnavailable
from webapp.accounts.roles import Role
from webapp.db.repository.audit.entries import all_entries
from webapp.operations.connections.join_codes import ClientSettings
from webapp.routes.access import COOKIE
from webapp.settings import read_settings


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dashboard, OpenIdProvider]]:
    folder = tmp_path_factory.mktemp("openid")
    (folder / "secret").write_text(f"{SECRET}\n")
    with openid_provider() as provider, running(
        folder, openid_issuer=provider.issuer, openid_client_id=CLIENT, openid_client_secret_file=folder / "secret",
        openid_roles="lab-admins=admin, lab=viewer", openid_name="the lab", openid_roles_claim="realm.roles",
    ) as dashboard:  # fmt: skip
        yield dashboard, provider


@pytest.fixture
def provider(both: tuple[Dashboard, OpenIdProvider]) -> OpenIdProvider:
    provider = both[1]
    provider.wrong, provider.signing_key = {}, provider.key
    provider.claims = {"sub": "0001", "preferred_username": "Ada", "realm": {"roles": ["other", "lab-admins"]}}
    return provider


@pytest.fixture
def visitor(both: tuple[Dashboard, OpenIdProvider]) -> Iterator[httpx.Client]:
    """A browser: it keeps cookies, also __Host- ones, and follows no redirect by itself."""
    with httpx.Client(base_url=both[0].http.base_url, **LOCAL, timeout=20) as http:
        yield http


def keep(http: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """Keep the cookies of an answer as a browser does on loopback; httpx sends Secure ones over TLS alone."""
    for line in answer.headers.get_list("set-cookie"):
        name, _, value = line.split(";")[0].partition("=")
        kept = dict(pair.split("=", 1) for pair in http.headers.get("cookie", "").split("; ") if pair)
        kept[name] = value.strip('"')
        http.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items() if value)
    return answer


def leave(http: httpx.Client, then: str = "/") -> str:
    answer = keep(http, http.get("/login/openid", params={"next": then}))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def sign_in(http: httpx.Client, provider: OpenIdProvider, then: str = "/") -> httpx.Response:
    return keep(http, http.get(provider.visit(leave(http, then))))


def me(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/api/me")
    return dict(answer.json()) if answer.status_code == 200 else {"status": answer.status_code}


def test_a_person_signs_in_and_the_role_is_taken_anew_each_time(
    both: tuple[Dashboard, OpenIdProvider], provider: OpenIdProvider, visitor: httpx.Client
) -> None:
    assert visitor.get("/api/runs").status_code == 401, "with a provider there is no local mode"
    page = visitor.get("/login?next=/runs").text
    assert "Sign in with the lab" in page and "/login/openid?next=/runs" in page
    answer = sign_in(visitor, provider, "/runs?state=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?state=failed"), answer.text
    assert (me(visitor)["name"], me(visitor)["role"]) == ("ada", "admin")
    with both[0].parts.database.read() as session:
        entry = list(all_entries(session))[-1]
    assert (entry["actor"], entry["action"], entry["outcome"]) == ("ada", "GET /login/openid/callback", "done")
    assert entry["detail"] == {"role": "admin"}
    assert entry["actor_id"] == both[0].parts.accounts.people.find("ada").id

    provider.claims = {"sub": "0001", "preferred_username": "somebody else", "realm": {"roles": "lab"}}
    sign_in(visitor, provider)
    assert (me(visitor)["name"], me(visitor)["role"]) == ("ada", "viewer"), "the subject counts, not the name"
    assert visitor.post("/api/runs", json={}).status_code == 403

    codes = both[0].parts.join_codes
    codes.create("ada", ClientSettings())
    provider.claims["realm"] = {"roles": ["other"]}
    refused = sign_in(visitor, provider)
    assert [state for _, state in codes.list()] == ["revoked"]
    assert refused.status_code == 403 and "no role here belongs to your account" in refused.text
    assert me(visitor) == {"status": 401}, "the sessions of a person without a role are over"


def test_a_name_of_another_account_gets_a_number(provider: OpenIdProvider, visitor: httpx.Client) -> None:
    for subject, name, account in (
        ("n1", "Bob\r\nX", "bob-x"), ("n2", "bob-x", "bob-x-2"), ("n3", "=<b>", "b"), ("n4", 5, "n4"),
        ("n5", "local", "local-openid"), ("n6", "--", "person"), ("n7", "y" * 300, "y" * 64),
    ):  # fmt: skip
        provider.claims |= {"sub": subject, "preferred_username": name}
        assert sign_in(visitor, provider).status_code == 303
        assert me(visitor)["name"] == account


WRONG: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "x" * 32}, "no nonce": {"nonce": None}, "audience": {"aud": "another"},
    "audiences": {"aud": [CLIENT, "another"]}, "party": {"azp": "another"}, "issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(time.time()) - 3600}, "no end": {"exp": None}, "later": {"iat": int(time.time()) + 7200},
    "nobody": {"sub": None}, "no text": {"sub": 7}, "long": {"sub": "x" * 256},
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_an_id_token_that_proves_something_else_signs_nobody_in(
    provider: OpenIdProvider, visitor: httpx.Client, wrong: dict[str, Any]
) -> None:
    provider.wrong = wrong
    answer = sign_in(visitor, provider)
    assert answer.status_code == 403 and "Sign in" in answer.text
    assert me(visitor) == {"status": 401}


def test_a_key_of_somebody_else_signs_nobody_in(provider: OpenIdProvider, visitor: httpx.Client) -> None:
    for kid in ("1", "2"):
        provider.signing_key = RSAKey.generate_key(2048, {"kid": kid})
        assert sign_in(visitor, provider).status_code == 403
    assert me(visitor) == {"status": 401}


def test_a_return_counts_once_and_in_the_browser_that_left(provider: OpenIdProvider, visitor: httpx.Client) -> None:
    back = provider.visit(leave(visitor))
    with httpx.Client(base_url=visitor.base_url, **LOCAL) as other:
        assert other.get(back).status_code == 403, "another browser is not signed in as this person"
    assert keep(visitor, visitor.get(back)).status_code == 303
    first = me(visitor)
    assert visitor.get(back).status_code == 403
    assert me(visitor) == first
    for query in ("", "?state=x&code=y", "?error=access_denied&state=x"):
        assert visitor.get(f"/login/openid/callback{query}").status_code == 403
    lost = leave(visitor)
    answer = visitor.get(
        "/login/openid/callback",
        params={"error": "access_denied\r\n<b>", "state": lost.split("state=")[1].split("&")[0]},
    )
    assert answer.status_code == 403 and "refused: access_denied  &lt;b&gt;" in answer.text


@pytest.mark.parametrize(
    "then", ["https://evil.example", "//evil.example", "/\\evil.example", "/login", "javascript:1"]
)
def test_no_address_of_another_site_follows_a_sign_in(
    provider: OpenIdProvider, visitor: httpx.Client, then: str
) -> None:
    assert sign_in(visitor, provider, then).headers["location"] == "/"


def test_a_new_session_id_is_given_and_the_earlier_session_ends(
    provider: OpenIdProvider, visitor: httpx.Client
) -> None:
    sign_in(visitor, provider)
    before = visitor.headers["cookie"]
    sign_in(visitor, provider)
    assert COOKIE in before and visitor.headers["cookie"] != before
    with httpx.Client(base_url=visitor.base_url, headers={"cookie": before}, **LOCAL) as earlier:
        assert me(earlier) == {"status": 401}
    assert visitor.post("/logout").status_code == 303
    assert me(visitor) == {"status": 401}


def test_a_provider_that_is_silent_is_given_up_and_keeps_no_other_thread(provider: OpenIdProvider) -> None:
    asked = Provider(provider.issuer, CLIENT, SECRET, seconds=1.0)
    found: list[str] = []

    def ask() -> None:
        try:
            asked.endpoints()
        except ProviderUnavailable as error:
            found.append(error.sentence)

    provider.is_silent = True
    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: len(provider.waiting) == 1)
    ask()
    assert len(found) == 1 and "it has not answered yet" in found[0]
    thread.join(20)
    provider.is_silent = False
    assert len(found) == 2 and "it does not answer" in found[1]
    assert asked.endpoints().token == f"{provider.issuer}/token"


def test_a_provider_that_is_away_is_named_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    with running(
        tmp_path, openid_issuer=f"http://127.0.0.1:{free_port()}", openid_client_id=CLIENT, openid_roles="x=viewer",
        openid_client_secret_file=tmp_path / "secret",
    ) as dashboard:  # fmt: skip
        answer = dashboard.http.get("/login/openid")
    assert answer.status_code == 503
    assert "The sign-in provider cannot be used now: it does not answer" in answer.text


def test_pending_sign_ins_end_by_the_monotonic_clock_and_are_bounded() -> None:
    now = [0.0]
    pending = PendingSignIns(lambda: now[0])
    first, second = (pending.begin("/", "x") for _ in range(2))
    now[0] = SECONDS
    assert pending.take(first.state, first.browser) is None
    third = pending.begin("/", "x")
    assert pending.take(third.state, second.browser) is None
    assert pending.take(third.state, third.browser) == third
    for _ in range(MOST):
        pending.begin("/", "x")
    assert pending.take(second.state, second.browser) is None


def test_roles_are_read_from_lists_texts_and_objects() -> None:
    roles = {"a": Role.ADMIN, "v": Role.VIEWER}
    assert role_of({"roles": ["v", "a", 5]}, "roles", roles) is Role.ADMIN
    assert role_of({"https://lab.example/roles": "v"}, "https://lab.example/roles", roles) is Role.VIEWER
    assert role_of({"x": {"y": ["v"]}}, "x.y", roles) is Role.VIEWER
    for claims in ({}, {"roles": {"a": 1}}, {"roles": None}, {"x": ["y"]}):
        assert role_of(claims, "x.y", roles) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--openid-issuer", "http://id.example"], "https://"),
        (["--openid-issuer", "https://id.example"], "--openid-client-id"),
        (["--openid-issuer", "https://id.example", "--openid-client-id", "m", "--openid-roles", "x=root"], "role"),
    ],
)
def test_settings_of_a_provider_are_whole(arguments: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_settings(arguments)
