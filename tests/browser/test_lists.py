"""Lists and tables in a real Chromium: what the history holds, and the columns of a narrow window."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, finished_run


def with_runs(dashboard: Dashboard) -> str:
    """Make a run with rounds and two that were stopped; return the dashboard's address."""
    finished_run(dashboard, name="Wards", num_rounds=3)
    for name in ("Typo 1", "Typo 2"):
        run_id = dashboard.start_run(name=name)
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "cancelled", "stopped")
    return url_of(dashboard)


def test_a_search_adds_one_entry_to_the_history_and_each_choice_another(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    records = with_runs(dashboard)
    page = open_page(f"{records}/server")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_label("Search").press_sequentially("typo", delay=350)
    expect(page).to_have_url(f"{records}/runs?q=typo")
    expect(page.locator("tbody tr").first).to_contain_text("Typo")
    expect(page.get_by_label("Search")).to_be_focused()
    by_name = page.get_by_role("columnheader", name="Run", exact=True).get_by_role("link")
    expect(by_name).to_have_attribute("href", "/runs?q=typo&sort=name")  # the list of the whole word has come
    by_name.click()
    expect(page).to_have_url(f"{records}/runs?q=typo&sort=name")
    page.get_by_role("link", name="Typo 1").click()
    page.wait_for_url("**/runs/*")
    page.go_back()
    expect(page).to_have_url(f"{records}/runs?q=typo&sort=name")
    page.go_back()
    expect(page).to_have_url(f"{records}/runs?q=typo")
    expect(page.get_by_label("Sort by")).to_have_value("newest")
    page.go_back()
    expect(page).to_have_url(f"{records}/runs")
    expect(page.get_by_label("Search")).to_have_value("")
    expect(page.get_by_role("link", name="Wards")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(f"{records}/server")


@pytest.mark.parametrize("address", ["/runs", "/runs/1"])
def test_a_narrow_window_has_a_way_to_all_columns(dashboard: Dashboard, open_page: OpenPage, address: str) -> None:
    records = with_runs(dashboard)
    page = open_page(f"{records}{address}", width=390)
    table = page.locator("table:visible").last
    hidden, way = table.locator("thead th.p2, thead th.p3"), page.get_by_label("All columns")
    assert not hidden.first.is_visible()
    way.check()
    for head in hidden.all():
        expect(head).to_be_visible()
    with page.expect_response(f"{records}{address}"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('meadow:refresh'))")
    expect(way).to_be_checked()
    expect(hidden.last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "the table scrolls, not the page"
    look(page, f"all-columns{address.replace('/', '-')}")
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(way).to_be_hidden()
