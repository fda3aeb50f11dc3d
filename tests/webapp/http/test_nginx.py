"""Meadow behind nginx with the file of deploy/nginx: under a path that nginx passes on or removes, and at the root."""

import time
from collections.abc import Iterator
from typing import cast, get_args

import httpx
import pytest

from tests.support.dashboard import Api, Dashboard, read_events, running
from tests.support.light_client import Stage
from tests.support.markup import get_page
from tests.support.nginx import Kind, Nginx, nginx_in_front
from tests.support.people import PASSWORD, add_person, cookie_of, sign_in
from tests.support.processes import wait_until
from tests.webapp.http.test_root_path import addresses_of

Site = tuple[Dashboard, Nginx, str]


@pytest.fixture(scope="module", params=get_args(Kind))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A dashboard, the nginx before it, and the path under which it stands."""
    folder, kind = tmp_path_factory.mktemp("site"), cast(Kind, request.param)
    root = "" if kind == "at the root" else "/meadow"
    with running(folder, public_url=f"https://lab.example{root}", admission="open", demo_clients=0) as dashboard:
        add_person(dashboard, "ada", password=PASSWORD)
        port = f"127.0.0.1:{dashboard.http.base_url.port}"
        with nginx_in_front(folder, kind, port, dashboard.flower_address) as nginx:
            yield dashboard, nginx, root


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    """A browser before nginx."""
    dashboard, nginx, root = site
    headers = {"Cookie": cookie_of(dashboard, "ada")}
    with httpx.Client(base_url=nginx.url + root, headers=headers, verify=False, trust_env=False, timeout=10) as client:
        yield client


def test_pages_files_and_redirects_work_through_nginx(site: Site, http: httpx.Client) -> None:
    _, nginx, root = site
    paths = ("/", "/runs", "/runs/new", "/clients", "/server")
    pages = [get_page(http, path) for path in paths]
    assert all(address.startswith(f"{root}/") for page in pages for address in addresses_of(page))
    linked = {str(one.attributes.get("href", one.attributes.get("src"))) for page in pages
              for tag in ("a", "link", "script") for one in page.all(tag)}  # fmt: skip
    for address in sorted(one for one in linked if one.startswith("/")):
        assert http.get(nginx.url + address).status_code == 200, address
    assert f"{nginx.url}{root}" in get_page(http, "/server").text, "https, as the reader has it"
    answer = http.post("/runs", data={"network": "synthetic", "dataset": "synthetic", "num_rounds": "1"},
                       headers={"Origin": nginx.url, "Sec-Fetch-Site": "same-origin"})  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, f"{root}/runs/1")
    assert http.post("/runs/1/stop").status_code == 303
    if root:
        assert httpx.get(nginx.url + root, verify=False, trust_env=False).headers["location"] == "/meadow/"


def test_clients_train_and_events_arrive_live_through_nginx(site: Site, http: httpx.Client) -> None:
    nginx = site[1]
    api = Api(http)
    with Stage(nginx.client_address) as stage:
        stage.add("site-a")
        stage.add("site-b")
        api.wait_for_clients(2)
        with http.stream("GET", "/api/events") as stream:
            run_id = api.start_run(num_rounds=100_000)
            began = time.monotonic()
            for event in read_events(stream.iter_lines()):
                if event["event"] == "round" and event["data"]["run_id"] == run_id and event["data"]["round"] >= 3:
                    break
            assert time.monotonic() - began < 8, "an endless stream that is not buffered"
        assert api.run(run_id)["state"] == "running"
        assert http.post(f"/api/runs/{run_id}/stop").status_code == 202
        api.wait_for_state(run_id, "stopped")
    wait_until(lambda: all(one["state"] == "offline" for one in http.get("/api/clients").json()["items"]))


def test_a_person_signs_in_from_the_address_that_nginx_names(site: Site) -> None:
    _, nginx, root = site
    transport = httpx.HTTPTransport(local_address="127.0.0.5", verify=False)
    browser = {"User-Agent": "Firefox", "X-Forwarded-For": "203.0.113.7"}  # what the viewer claims
    with httpx.Client(transport=transport, base_url=nginx.url + root, headers=browser, trust_env=False) as http:
        asked = http.get("/runs", headers={"Accept": "text/html"})
        assert asked.headers["location"] == f"{root}/login?next=/runs"
        answer = sign_in(http, "ada", next="/runs")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{root}/runs"), answer.text
        sessions = http.get("/account").text
    assert "127.0.0.5" in sessions
    assert "203.0.113.7" not in sessions
