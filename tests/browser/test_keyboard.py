"""By keyboard alone: a run is started, paused, continued and stopped, a client is opened; the focus is always seen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until

MOST_TABS = 80
SEEN = """() => {
  const at = document.activeElement;
  const marked = (one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };
  const box = at.getBoundingClientRect();
  const shown = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  const label = at.closest("label");
  return { marked: marked(at) || (label !== null && marked(label)), shown, html: at.outerHTML };
}"""


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.1 if task.phase == "train" else 0.0
    return answer


@pytest.fixture
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Two clients that take their time."""
    with running(tmp_path_factory.mktemp("labs")) as dashboard, dashboard.stage() as stage:
        for known, name in enumerate(("site-a", "site-b"), 1):
            stage.add(name, unhurried)
            dashboard.wait_for_clients(known)
        yield dashboard


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus; at each stop the focus can be seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        seen = page.evaluate(SEEN)
        assert seen["marked"] and seen["shown"], f"the focus is not to be seen: {seen['html'][:300]}"
        if wanted.count() and wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{wanted} cannot be reached by Tab")


def test_a_run_is_started_steered_and_stopped_without_a_mouse(labs: Dashboard, open_page: OpenPage) -> None:
    page = open_page(url_of(labs))
    tab_to(page, page.get_by_label("Rounds"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("900")
    tab_to(page, page.get_by_role("button", name="Start federation"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1")
    expect(page.locator(".crumb .state")).to_have_text("Running")

    tab_to(page, page.get_by_role("button", name="Pause after this round"))
    page.keyboard.press("Enter")
    expect(page.locator(".crumb .state")).to_have_text("Paused")
    tab_to(page, page.get_by_role("button", name="Continue", exact=True))
    page.keyboard.press("Enter")
    expect(page.locator(".crumb .state")).to_have_text("Running")

    tab_to(page, page.get_by_role("region", name="Client heatmap by round."))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#heatmap-out")).to_contain_text("site-b, round ")
    page.keyboard.press("Enter")
    page.wait_for_url("**/clients/2")
    tab_to(page, page.locator("#runs-h ~ *, section").get_by_role("link", name="synthetic, synthetic"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1")
    tab_to(page, page.get_by_role("link", name="Stop", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1/stop")
    tab_to(page, page.get_by_role("button", name="Stop run"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1")
    expect(page.locator(".crumb .state")).to_have_text("Stopped")


def test_one_question_is_open_at_a_time_and_escape_closes_it(labs: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(labs)}/runs/{labs.start_run(num_rounds=900)}")
    more, leave = (page.locator("summary", has_text=text) for text in ("Add rounds", "Exclude client"))
    more.click()
    expect(page.get_by_label("Rounds to add")).to_be_visible()
    leave.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.ask-for[open]")).to_have_count(1)
    tab_to(page, page.get_by_label("From the next round"))
    page.keyboard.press("Escape")
    expect(page.locator("details.ask-for[open]")).to_have_count(0)
    expect(leave).to_be_focused()


def test_the_focus_survives_live_updates(labs: Dashboard, open_page: OpenPage) -> None:
    run_id = labs.start_run(num_rounds=900)
    page = open_page(f"{url_of(labs)}/runs/{run_id}")
    focused = "document.activeElement.outerHTML.slice(0, 80)"

    def rounds_later(more: int) -> None:
        seen = labs.run(run_id)["current_round"]
        wait_until(lambda: f"Round {seen + more} completed" in page.locator("#events").inner_text(), what="updates")

    rounds_later(1)
    for wanted in (
        page.get_by_role("button", name="Pause after this round"), page.locator("summary", has_text="Add rounds"),
        page.get_by_role("link", name="Stop", exact=True), page.get_by_label("Log scale (loss)"),
        page.locator("[id^=client-now-]").get_by_role("link").first,
        page.get_by_role("region", name="Client heatmap by round."), page.locator("#heatmap").get_by_role("link").last,
        page.get_by_role("link", name="Duplicate run"),
    ):  # fmt: skip
        wanted.focus()
        before = page.evaluate(focused)
        rounds_later(2)
        assert page.evaluate(focused) == before
        assert wanted.evaluate("(one) => one === document.activeElement"), before
    button = page.get_by_role("button", name="Pause after this round")
    button.focus()
    labs.http.post(f"/api/runs/{run_id}/stop")
    expect(page.locator(".crumb .state")).to_have_text("Stopped")
    has_focus = "document.activeElement !== document.body"
    wait_until(lambda: page.evaluate(has_focus), what="a place for the focus")
    page.evaluate(  # as a further update does, to which the heading is not focusable
        """() => {
          document.querySelector("main h1").removeAttribute("tabindex");
          document.activeElement.blur();
          document.dispatchEvent(new Event("htmx:after:swap"));
        }"""
    )
    assert page.evaluate(has_focus)
