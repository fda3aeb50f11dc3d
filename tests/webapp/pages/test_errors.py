"""Pages of what goes wrong: a status, a sentence, a way on; and what every answer carries."""

import httpx
import pytest

from tests.support.dashboard import Dashboard
from tests.support.markup import get_page


@pytest.mark.parametrize("path", ["/nothing", "/runs/99", "/runs/0", "/runs/abc", f"/runs/{2**60}", "/runs/1/../../x"])
def test_what_is_not_there_is_a_page_that_leads_back(dashboard: Dashboard, path: str) -> None:
    page = get_page(dashboard.http, path, 404)
    assert {"/", "/runs"} <= {link["href"] for link in page.one("main").all("a")}


def test_a_run_that_is_not_there_is_named(dashboard: Dashboard) -> None:
    assert "There is no run 99." in get_page(dashboard.http, "/runs/99", 404).text
    assert "There is no run abc." in get_page(dashboard.http, "/runs/abc", 404).text
    assert "There is no run x." in get_page(dashboard.http, "/runs/x/stop", 404).text
    assert "There is no client zero." in get_page(dashboard.http, "/clients/zero", 404).text
    assert dashboard.http.get("/api/runs/abc").status_code == 422, "a program is told which field is wrong"


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/new", "/clients", "/nothing", "/static/js/live.js"])
def test_nothing_inline_runs_and_nobody_frames_a_page(dashboard: Dashboard, path: str) -> None:
    headers = dashboard.http.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/new", "/clients", "/static/css/base.css"])
def test_a_foreign_host_gets_nothing(dashboard: Dashboard, path: str) -> None:
    assert dashboard.http.get(path, headers={"Host": "evil.example"}).status_code == 400


def test_all_that_a_page_loads_is_ours_and_there(dashboard: Dashboard) -> None:
    page = get_page(dashboard.http, "/")
    loaded = [link["href"] for link in page.all("link")] + [script["src"] for script in page.all("script")]
    loaded += [(use["href"] or "").partition("#")[0] for use in page.all("use")]
    for address in {address for address in loaded if address}:
        assert address.startswith("/static/"), address
        answer = dashboard.http.get(address)
        assert answer.status_code == 200
        kept = "public, max-age=31536000, immutable" if "?v=" in address else "no-cache"
        assert answer.headers["cache-control"] == kept  # scripts that others import have no version in their address
    assert dashboard.http.get("/static/js/live.js").headers["cache-control"] == "no-cache"
    assert "immutable" not in dashboard.http.get("/static/nothing.js?v=1").headers["cache-control"]


def test_glyphs_and_icons_that_pages_use_exist(dashboard: Dashboard) -> None:
    http: httpx.Client = dashboard.http
    dashboard.start_run()
    for path in ("/", "/runs", "/runs/1", "/runs/new", "/clients", "/nothing"):
        page = get_page(http, path, 404 if path == "/nothing" else 200)
        for use in page.all("use"):
            address, _, name = (use["href"] or "").partition("#")
            assert f'id="{name}"' in http.get(address).text, use


def test_a_mistake_of_our_own_is_a_page_too(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("webapp.routes.html.home.server_lines", breaks)
    page = get_page(dashboard.http, "/", 500)
    assert page.one("h1").text == "Internal error"
    assert "a bug" not in page.text
