"""API tokens: shown once, worth no more than their person, ended by time or by hand, and never in an address."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from tests.support.dashboard import Dashboard, named, running
from tests.support.markup import parse
from tests.support.people import acting, add_person, cookie_of, token_of
from webapp.accounts.accounts import Credentials
from webapp.accounts.roles import Role
from webapp.problems import NotFound


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared")) as dashboard:
        for name in ("admin", "operator", "viewer"):
            add_person(dashboard, name, name)
        yield dashboard


@pytest.fixture
def http(shared: Dashboard) -> Iterator[httpx.Client]:
    with acting(shared, Cookie=cookie_of(shared, "operator")) as client:
        yield client


def status_with(dashboard: Dashboard, token: str) -> int:
    with acting(dashboard, Authorization=f"Bearer {token}") as client:
        return client.get("/api/me").status_code


def test_a_token_is_shown_once_on_the_page_that_makes_it(shared: Dashboard, http: httpx.Client) -> None:
    answer = http.post("/account/tokens", data={"name": "nightly", "role": "viewer", "days": "30"})
    token = parse(answer.text).one("code", id="new-token").text
    assert token.startswith("mdw_") and answer.headers["cache-control"] == "no-store"
    assert status_with(shared, token) == 200
    page = http.get("/account")
    assert "nightly" in page.text and token not in page.text
    (listed,) = (one for one in http.get("/api/tokens").json()["items"] if one["name"] == "nightly")
    assert set(listed) == {"id", "name", "role", "created_at", "expires_at"}
    assert http.post(f"/account/tokens/{listed['id']}/revoke").status_code == 303
    assert status_with(shared, token) == 401


def test_the_api_makes_and_revokes_tokens_of_the_caller_alone(shared: Dashboard, http: httpx.Client) -> None:
    made = http.post("/api/tokens", json={"name": "ci", "role": "operator", "days": 1})
    assert made.status_code == 201 and status_with(shared, made.json()["token"]) == 200
    with acting(shared, Cookie=cookie_of(shared, "admin")) as other:
        assert other.delete(f"/api/tokens/{made.json()['id']}").status_code == 404
    assert http.delete(f"/api/tokens/{made.json()['id']}").status_code == 204
    assert status_with(shared, made.json()["token"]) == 401
    named(http.post("/api/tokens", json={"name": "x", "role": "admin"}), 422)
    assert named(http.post("/api/tokens", json={"name": "x", "user_id": 1}), 422) == {"user_id"}
    for days in (0, 367, "1"):
        assert named(http.post("/api/tokens", json={"name": "x", "days": days}), 422) == {"days"}


def test_a_token_makes_none_that_may_do_more_or_lives_longer(shared: Dashboard) -> None:
    token = token_of(shared, "admin", "viewer", days=1)
    with acting(shared, Authorization=f"Bearer {token}") as client:
        named(client.post("/api/tokens", json={"name": "x", "role": "operator"}), 422)
        made = client.post("/api/tokens", json={"name": "x", "days": 366}).json()
        assert datetime.fromisoformat(made["expires_at"]) < datetime.now(UTC) + timedelta(days=1, minutes=1)
        assert client.get("/account").status_code == client.post("/logout").status_code == 403


def test_a_token_in_an_address_is_none(shared: Dashboard) -> None:
    token = token_of(shared, "admin", "admin")
    with acting(shared) as client:
        for name in ("token", "access_token", "api_key", "authorization"):
            assert client.get("/api/me", params={name: token}).status_code == 401
            page = f"{client.base_url}/runs?{name}={token}"
            assert client.get("/api/me", headers={"Referer": page, "X-Api-Key": token}).status_code == 401
            sent = client.post("/api/tokens", data={name: token}, json=None)
            assert sent.status_code == 401, "a field of a form is none either"
        assert client.get("/api/me", headers={"Cookie": f"__Host-meadow={token}"}).status_code == 401
        assert client.get("/api/me", headers={"Authorization": token}).status_code == 401


def test_a_session_id_is_no_token_and_a_wrong_token_is_not_made_good_by_a_cookie(shared: Dashboard) -> None:
    cookie = cookie_of(shared, "admin")
    with acting(shared, Cookie=cookie) as client:
        assert client.get("/api/me").status_code == 200
        assert client.get("/api/me", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert status_with(shared, cookie.partition("=")[2]) == 401


@pytest.mark.parametrize(
    ("column", "days"), [("expires_at", -0.0001), ("created_at", 1)], ids=["expired", "begins in the future"]
)
def test_a_token_that_has_expired_is_refused_and_one_from_before_the_clock_was_set_back(
    shared: Dashboard, column: str, days: float
) -> None:
    token = token_of(shared, "viewer", "viewer")
    assert status_with(shared, token) == 200
    at = (datetime.now(UTC) + timedelta(days=days)).replace(tzinfo=None).isoformat(" ")
    with shared.parts.database.engine.begin() as connection:
        connection.execute(text(f"UPDATE api_tokens SET {column} = :at"), {"at": at})
    shared.parts.accounts.changes.note()
    assert status_with(shared, token) == 401


def test_a_person_who_is_removed_meanwhile_gets_no_token(shared: Dashboard) -> None:
    accounts = shared.parts.accounts
    add_person(shared, "removed")
    principal = accounts.identify(Credentials(token=token_of(shared, "removed")))
    assert principal is not None
    accounts.people.remove(principal.id)
    with pytest.raises(NotFound, match="no account removed"):
        accounts.tokens.add(principal, "late", Role.VIEWER, 1)


def test_without_accounts_there_are_no_tokens(dashboard: Dashboard) -> None:
    assert dashboard.http.get("/api/tokens").json() == {"items": []}
    named(dashboard.http.post("/api/tokens", json={"name": "x"}), 409)
