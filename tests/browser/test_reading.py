"""What a reader expects of any page: where the focus is, what stands still, colours that stay, paper."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.test_lists import with_runs
from tests.support.dashboard import Dashboard, finished_run
from tests.support.processes import wait_until
from tests.support.proxy import Proxy


def test_a_control_keeps_the_focus_when_its_choice_changes_the_page(dashboard: Dashboard, open_page: OpenPage) -> None:
    url = with_runs(dashboard)
    page = open_page(f"{url}/runs")
    head = page.get_by_role("columnheader", name="Best").get_by_role("link")
    head.press("Enter")
    expect(page).to_have_url(f"{url}/runs?sort=best")
    expect(page.get_by_role("columnheader", name="Best")).to_have_attribute("aria-sort", "descending")
    expect(head).to_be_focused()

    page.goto(f"{url}/runs/compare?id=1&id=2")
    target = page.get_by_label("Target accuracy")
    target.fill("60")
    target.press("Enter")
    expect(page.get_by_role("columnheader", name="Rounds to 60.0")).to_be_visible()
    expect(target).to_be_focused()


def test_elapsed_time_stands_still_while_the_server_is_away(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = dashboard.start_run()
    dashboard.wait_for_state(run_id, "waiting")
    with Proxy(url_of(dashboard).removeprefix("http://")).running() as proxy:
        page = open_page(f"http://{proxy.address}/runs/{run_id}")
        elapsed, live = page.locator("[data-since]").first, page.locator("#live")
        expect(elapsed).to_contain_text(re.compile(r"[2-9]\."))  # a busy browser may pass over a second
        proxy.stall()
        proxy.cut()
        expect(live).to_contain_text("Reconnecting")
        stood = elapsed.text_content()
        expect(live).to_contain_text(re.compile(r"data is [4-9]"))
        assert elapsed.text_content() == stood
        proxy.flow()
        expect(live).to_have_text("Live", timeout=15_000)
        wait_until(lambda: elapsed.text_content() != stood, what="the time goes on")
        page.close()  # before the proxy ends, which is one more cut
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser itself says that it could not connect


def test_a_run_keeps_its_colour_when_another_is_taken_away(dashboard: Dashboard, open_page: OpenPage) -> None:
    url = with_runs(dashboard)

    def colours(address: str) -> dict[str, str]:
        page = open_page(f"{url}/runs/compare?{address}")
        rows = page.locator("tr[id^=compared-]").all()
        return {row.get_attribute("id") or "": row.locator("svg").get_attribute("class") or "" for row in rows}

    all_three = colours("id=3&id=1&id=2")
    assert len(set(all_three.values())) == 3
    assert colours("id=2&id=3") == {name: all_three[name] for name in ("compared-2", "compared-3")}


def test_paper_has_what_the_page_says_and_no_controls(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = finished_run(dashboard, num_rounds=3, name="Wards")
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}", theme="dark")
    expect(page.locator("meadow-chart canvas").first).to_be_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    for gone in (".top", ".toolbar", ".steer", "button >> nth=0"):
        expect(page.locator(gone).first).to_be_hidden()
    for kept in ("h1", "meadow-chart canvas >> nth=0", "#rounds table", "#configuration dl"):
        expect(page.locator(kept).first).to_be_visible()
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(background) != light, "back to the theme of the screen"


def test_sentences_of_a_question_have_blanks_between_them(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = dashboard.start_run()
    dashboard.wait_for_state(run_id, "waiting")
    for address in (f"/runs/{run_id}/stop", f"/runs/{run_id}", "/runs", "/clients", "/server", "/", "/runs/new"):
        text = open_page(f"{url_of(dashboard)}{address}").inner_text("main")
        assert not re.findall(r"[a-z)]\.[A-Z]\w*", text), address
