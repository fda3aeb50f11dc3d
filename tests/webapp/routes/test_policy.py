"""Every route of both ports is on the written list, and answers nobody, and no role, who may not use it."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from federation.protocol.messages import PATH, SUBPROTOCOL
from federation.server.flower import Nodes, fleet_app
from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.people import acting, add_person, cookie_of, token_of
from tests.support.routes import filled, walk
from webapp.app import create_app
from webapp.routes.policy import POLICY, Need, need_of
from webapp.settings import Settings

STREAMS = {"/api/events"}
NO_CREDENTIALS: tuple[dict[str, str], ...] = (
    {}, {"Cookie": "__Host-meadow=" + "A" * 43}, {"Authorization": "Bearer mdw_" + "A" * 43},
    {"Authorization": "Basic YWRtaW46YWRtaW4="}, {"Cookie": "__Host-meadow="},
)  # fmt: skip
ORDER = list(Need)
WITHOUT_CREDENTIALS = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/login"), ("POST", "/login"), ("GET", "/static/{path:path}"),
    ("GET", "/login/openid"), ("GET", "/login/openid/callback"),
    *(("POST", f"/v1/control/{call}") for call in ("get-login-details", "get-auth-tokens", "{call}")),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared"), demo_clients=0) as dashboard:
        for role in ("admin", "operator", "viewer"):
            add_person(dashboard, role, role)
        yield dashboard


@pytest.fixture(scope="module")
def cookies(shared: Dashboard) -> dict[str, str]:
    return {role: cookie_of(shared, role) for role in ("admin", "operator", "viewer")}


def served() -> set[tuple[str, str]]:
    """Return method and template of everything that the app serves; HEAD is answered as GET."""
    found = set()
    for route in walk(create_app(Settings()).routes):
        if isinstance(route, Mount):
            found.add(("GET", f"{route.path}/{{path:path}}"))
        else:
            assert isinstance(route, APIRoute), f"{route} has no dependencies: the policy does not hold for it"
            found |= {("GET" if method == "HEAD" else method, route.path) for method in route.methods or ()}
    return found


def test_the_list_holds_every_route_and_nothing_else() -> None:
    assert served() == set(POLICY), "a new route needs its line in webapp/routes/policy.py"


def test_little_is_open() -> None:
    assert {route for route, need in POLICY.items() if need is Need.OPEN} == WITHOUT_CREDENTIALS


def test_a_request_needs_what_its_own_line_says() -> None:
    for (method, path), need in POLICY.items():
        assert need_of(method, filled(path)) is need, (method, path)


def test_long_addresses_of_strangers_are_not_remembered() -> None:
    need_of("GET", "/")
    tracemalloc.start()
    for number in range(300):
        assert need_of("GET", f"/{number}/{'a' * 60_000}") is None and need_of("A" * 60_000 + str(number), "/") is None
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def ask(http: httpx.Client, method: str, path: str, **headers: str) -> int:
    """Send a request and return the status; the body of a stream is not read."""
    with http.stream(method, filled(path), headers=headers) as answer:
        return answer.status_code


def test_without_credentials_only_what_is_open_is_answered(shared: Dashboard) -> None:
    for headers in NO_CREDENTIALS:
        for (method, path), need in POLICY.items():
            if path == "/login":
                continue
            status = ask(shared.http, method, path, **headers)
            assert (status == 401) == (need is not Need.OPEN), (method, path, status, headers)
    assert ask(shared.http, "GET", "/no/such/page") == 401, "what there is not is told to nobody else"


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_each_role_gets_403_for_what_needs_more_and_nothing_else(
    shared: Dashboard, cookies: dict[str, str], role: str
) -> None:
    token = token_of(shared, role, role)
    for headers in ({"Cookie": cookies[role]}, {"Authorization": f"Bearer {token}"}):
        with acting(shared, **headers) as http:
            for (method, path), need in POLICY.items():
                if need is Need.OPEN or path in STREAMS or path.startswith("/logout"):
                    continue
                status = ask(http, method, path)
                if ORDER.index(need) <= ORDER.index(Need(role)):
                    assert status not in (401, 403) or is_for_people(path, headers), (method, path, status)
                else:
                    assert status == 403, (method, path, status)


def test_the_flwr_command_is_off_by_default(shared: Dashboard, cookies: dict[str, str]) -> None:
    with acting(shared, Cookie=cookies["admin"]) as http:
        paths = [filled(path) for _, path in POLICY if path.startswith("/v1/")]
        answers = [http.post(path, content=b"") for path in paths]
        assert len(answers) == 7 and all(one.status_code == 404 and "--flwr-cli" in one.text for one in answers)


def is_for_people(path: str, headers: dict[str, str]) -> bool:
    """Return whether a page is one that a script with a token may not use."""
    return "Authorization" in headers and path.startswith("/account")


def test_the_flower_port_offers_nothing_without_a_key_but_its_name(shared: Dashboard, tmp_path: Path) -> None:
    nodes = Nodes(tmp_path / "linkstate.db")
    fleet = {(method, route.path) for route in walk(fleet_app(nodes).routes) for method in route.methods}
    assert ("POST", "/v1/fleet/register-node") in fleet
    with httpx.Client(base_url=f"http://{shared.flower_address}", **LOCAL) as http:
        assert http.get("/").json()["detail"].startswith("Meadow's Flower server.")
        for method, path in sorted(fleet):
            assert http.request(method, path, content=b"").status_code == 401, (method, path)
        for path in ("/docs", "/openapi.json", "/metrics", "/api/runs", "/login", "/meadow/stream"):
            assert http.get(path).status_code in (401, 404), path


def test_a_page_in_a_browser_is_no_client(shared: Dashboard) -> None:
    """A page of any site may open a WebSocket to the machine that shows it; the browser says which site that is."""
    address, speaks = f"ws://{shared.flower_address}{PATH}", [Subprotocol(SUBPROTOCOL)]
    with connect(address, subprotocols=speaks, proxy=None) as client:
        assert "challenge" in str(client.recv(10))
    for origin in ("https://evil.example", f"http://{shared.flower_address}", "null"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, origin=Origin(origin), subprotocols=speaks, proxy=None)
