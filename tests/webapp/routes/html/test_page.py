"""Fragments of pages: shared by viewers who send the same request, never older than the newest event, with an ETag."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.asked import asked
from tests.support.dashboard import Dashboard, finished_run, running
from tests.support.http import LOCAL
from tests.support.markup import parse

FRAGMENT = {"HX-Request-Type": "partial", "HX-Target": "div#run-page"}
VIEWERS = 20


def test_twenty_viewers_of_a_run_cost_little_more_than_one(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=2)
    address = f"{dashboard.http.base_url}/runs/{run_id}"

    def gathered(viewers: int) -> int:
        with asked(dashboard.parts.database.engine) as statements, ThreadPoolExecutor(viewers) as pool:
            answers = list(pool.map(lambda _: httpx.get(address, headers=FRAGMENT, **LOCAL), range(viewers)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        return sum("FROM rounds" in statement for statement, _ in statements)

    assert (once := gathered(1)) > 0
    assert gathered(VIEWERS) <= 3 * once, "one gathers the page for all; a slow machine may need a second and a third"


def test_a_fragment_is_new_as_soon_as_something_happened(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run(num_rounds=3)
    dashboard.wait_for_state(run_id, "waiting")
    before = dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT).text
    dashboard.http.post(f"/api/runs/{run_id}/stop")
    dashboard.wait_for_state(run_id, "stopped")
    after = dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT).text
    assert "Waiting" in before
    assert "Stopped" in after


def test_the_command_that_joins_a_client_names_the_host_that_the_reader_asked(tmp_path: Path) -> None:
    with running(tmp_path, flower_host="0.0.0.0", admission="open") as dashboard:
        web, flower = dashboard.http.base_url.port, dashboard.parts.flower_address[1]
        for host in ("127.0.0.1", "localhost"):
            headers = {"HX-Request-Type": "partial", "HX-Target": "div#clients-list", "Host": f"{host}:{web}"}
            fragment = parse(dashboard.http.get("/clients", headers=headers).text)
            assert not fragment.all("html"), "the page came whole"
            assert f"--server {host}:{flower} " in fragment.one("code", id="join").text


@pytest.mark.parametrize("header", ["Cookie", "Accept-Encoding"])
def test_requests_that_differ_share_nothing(dashboard: Dashboard, header: str) -> None:
    run_id = dashboard.start_run()
    dashboard.wait_for_state(run_id, "waiting")

    def gathered(*values: str) -> int:
        with asked(dashboard.parts.database.engine) as statements:
            for value in values:
                dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT | {header: value})
        return sum("FROM metric_points" in statement for statement, _ in statements)

    assert gathered("one", "other") == 2 * gathered("third") > 0


def test_a_fragment_that_the_browser_has_is_not_sent_again(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    first = dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT)
    known = FRAGMENT | {"If-None-Match": f'"other", {first.headers["etag"]}'}
    again = dashboard.http.get(f"/runs/{run_id}", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert again.headers[name] == first.headers[name]
    assert first.headers["cache-control"] == "private, no-cache"
    assert dashboard.http.post(f"/api/runs/{run_id}/note", json={"note": "of interest"}).status_code == 200
    changed = dashboard.http.get(f"/runs/{run_id}", headers=known)
    assert changed.status_code == 200 and "of interest" in changed.text


def test_a_whole_page_is_kept_by_nobody(dashboard: Dashboard) -> None:
    page = dashboard.http.get("/")
    assert page.headers["cache-control"] == "no-store"
    assert "etag" not in page.headers
