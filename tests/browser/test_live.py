"""Pages that stay open: points appear as rounds commit, rows move with progress, a lost stream says so."""

import re
from statistics import median, quantiles

import pytest
from playwright.sync_api import Page, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import LISTEN, OpenPage, start_run, url_of, wait_for_clients
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, honest
from tests.support.processes import Meadow, wait_until
from tests.support.proxy import Proxy


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 1.5 if task.phase == "train" else 0.0  # expect() looks once a second
    return answer


def table_of(page: Page, metric: str) -> list[str]:
    """Return the rounds in a chart's table of values."""
    rows = page.locator(f"meadow-chart[metric={metric}] tbody tr")
    return [row.get_attribute("data-round") or "" for row in rows.all()]


def test_start_pressed_makes_points_appear_on_both_charts_without_a_reload(
    federation: Meadow, open_page: OpenPage
) -> None:
    page = open_page(federation.url)
    expect(page.locator("h1")).to_have_text("2 clients online, no active run")
    page.get_by_label("Rounds").fill("4")
    page.get_by_role("button", name="Start federation").click()
    page.wait_for_url("**/runs/*")
    page.evaluate("window.loadedOnce = true")

    for metric in ("accuracy", "loss"):
        chart = page.locator(f"meadow-chart[metric={metric}]")
        expect(chart.locator("canvas")).to_be_visible()
        expect(chart.locator("tbody tr")).to_have_count(5)
        expect(chart.locator(".readout")).to_contain_text("round 4: mean")
    expect(page.locator(".crumb .state")).to_have_text("Completed")
    lines = "document.querySelector('meadow-chart').plot.series.length - 7"  # x, four band edges, server, mean
    assert page.evaluate(lines) == 2, "each client has its line, also one that came after the page"
    expect(page.get_by_role("link", name="Stop", exact=True)).to_have_count(0)
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"


def test_home_turns_from_idle_to_running_and_back_by_itself(federation: Meadow, open_page: OpenPage) -> None:
    page = open_page(federation.url)
    expect(page.locator("h1")).to_contain_text("no active run")
    page.evaluate("window.loadedOnce = true")
    start_run(federation.url, num_rounds=3, synthetic_seconds=1.0, name="Watched")

    expect(page.locator("h1")).to_contain_text("Round 2 of 3, training")
    expect(page).to_have_title(re.compile(r"^\d/3 · .* · Watched · Meadow$"))
    row = page.locator("[id^=client-now-]").first
    expect(row.locator("[data-part=task]")).to_contain_text("Training, batch")
    expect(row.locator("[data-part=loss]")).not_to_have_text("–")
    expect(page.locator("h1")).to_have_text("2 clients online, no active run")
    assert table_of(page, "accuracy") == ["0", "1", "2", "3"]
    expect(page).to_have_title("No active run · Meadow")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"


def test_the_tab_of_a_run_says_state_round_and_figure_after_each_update(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=3, name="Wards")
        page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
        expect(page).to_have_title("Waiting · 0/3 · Wards · Meadow")
        page.evaluate("""() => {
          window.titles = new Set();
          const note = () => window.titles.add(document.title);
          new MutationObserver(note).observe(document.querySelector("title"), { childList: true });
        }""")
        stage.add("site-b", unhurried)
        expect(page).to_have_title("Completed · 3/3 · 80.0\u202f% · Wards · Meadow", timeout=20_000)
        titles: list[str] = page.evaluate("[...window.titles]")
        assert open_page(f"{url_of(dashboard)}/").title() == "No active run · Meadow"
    known = re.compile(r"((Waiting|Completed) · )?[0-3]/3 · (\d\d\.\d\u202f% · )?Wards · Meadow")
    assert len(titles) > 1 and all(known.fullmatch(title) for title in titles), titles


def test_from_commit_to_pixel_takes_less_than_half_a_second(federation: Meadow, open_page: OpenPage) -> None:
    run_id = start_run(federation.url, num_rounds=60, synthetic_seconds=0.15)
    page = open_page(f"{federation.url}/runs/{run_id}")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate(LISTEN)
    expect(page.locator(".crumb .state")).to_have_text("Completed", timeout=60_000)

    since: int = page.evaluate("window.since")  # what was committed before comes with the page, not with the stream
    committed = {r: at for r, at in page.evaluate("window.committed").items() if at >= since}
    drawn: dict[str, dict[str, int]] = page.evaluate("window.drawn")
    delays = sorted(drawn[metric][r] - at for r, at in committed.items() for metric in ("accuracy", "loss"))
    p95 = quantiles(delays, n=20)[-1]
    print(f"\ncommit to pixel over {len(committed)} rounds: median {median(delays):.0f} ms, p95 {p95:.0f} ms")
    assert len(committed) > 20
    assert p95 < 500


def test_rounds_that_are_faster_than_the_page_all_arrive(federation: Meadow, open_page: OpenPage) -> None:
    page = open_page(federation.url)
    run_id = start_run(federation.url, num_rounds=300)
    page.goto(f"{federation.url}/runs/{run_id}")
    expect(page.locator(".crumb .state")).to_have_text("Completed", timeout=60_000)
    expect(page.locator("meadow-chart[metric=loss] .readout")).to_contain_text("round 300: mean")
    shown: list[int] = page.evaluate("document.querySelector('meadow-chart[metric=loss]').curve.rounds")
    assert shown == list(range(301))


def test_a_lost_server_is_told_and_the_page_goes_on_by_itself(federation: Meadow, open_page: OpenPage) -> None:
    page = open_page(federation.url)
    live = page.locator("#live")
    expect(live).to_have_text("Live")
    page.evaluate("window.loadedOnce = true")

    federation.kill()
    expect(live).to_contain_text("Reconnecting, data is ")
    federation.start()
    expect(live).to_have_text("Live", timeout=15_000)
    wait_for_clients(federation.url, 2)
    start_run(federation.url, num_rounds=2, name="After the cut")
    expect(page.get_by_role("link", name="After the cut").first).to_be_visible()
    expect(page.locator("meadow-chart[metric=loss] tbody tr")).to_have_count(3)
    assert page.evaluate("window.loadedOnce")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser itself says that it could not connect


def test_a_hidden_tab_closes_its_stream_and_catches_up(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(url_of(dashboard))
    page.evaluate(LISTEN)
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        expect(page.locator("h1")).to_contain_text("2 clients online")
        page.evaluate(hide, True)
        run_id = dashboard.start_run(num_rounds=3)
        dashboard.wait_for_state(run_id, "completed")
        assert page.evaluate("window.heard") == []
        page.evaluate(hide, False)
        expect(page.locator("meadow-chart[metric=loss] tbody tr")).to_have_count(4)
    heard: list[int] = page.evaluate("window.heard")
    assert len(heard) == len(set(heard)) == 4, "each event once"


def test_a_typed_answer_survives_what_happens_meanwhile(dashboard: Dashboard, open_page: OpenPage) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        page = open_page(url_of(dashboard))
        page.get_by_label("Rounds").fill("77")
        stage.add("site-b")
        expect(page.locator("h1")).to_contain_text("2 clients online")
        expect(page.get_by_label("Rounds")).to_have_value("77")
        expect(page.get_by_label("Rounds")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_follow_the_theme(dashboard: Dashboard, open_page: OpenPage, theme: str) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=3)
        dashboard.wait_for_state(run_id, "completed")
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}", theme=theme)
    accent = """async () => (await import("/static/js/charts/colours.js")).colour("accent")"""
    colours = {"light": "rgb(24, 116, 74)", "dark": "rgb(95, 200, 147)"}
    wait_until(lambda: page.evaluate(accent) == colours[theme])
    button = page.locator("[data-act=theme]")
    while button.get_attribute("data-shows") != ("light" if theme == "dark" else "dark"):
        button.click()
    assert page.evaluate(accent) == colours["light" if theme == "dark" else "dark"]
    page.reload()
    wait_until(lambda: page.evaluate(accent) == colours["light" if theme == "dark" else "dark"], what="it is kept")


def test_an_idle_home_whose_last_run_goes_on_keeps_its_charts_and_offers_a_new_run(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
        page = open_page(url_of(dashboard))
        expect(page.locator("meadow-chart canvas")).to_have_count(2)
        new_run = page.get_by_role("link", name="New run", exact=True)
        expect(new_run).to_be_hidden()
        dashboard.http.post(f"/api/runs/{run_id}/rounds", json={"add": 6})
        expect(page.locator("h1")).to_contain_text("of 8, training")
        expect(new_run).to_be_visible()
        expect(page.locator("meadow-chart[metric=loss] .readout")).to_contain_text("round 6: mean", timeout=30_000)
        expect(page.locator("meadow-chart canvas")).to_have_count(2)
        dashboard.wait_for_state(run_id, "completed")
        expect(new_run).to_be_hidden()


def test_a_form_that_is_sent_while_the_server_is_away_keeps_the_page(dashboard: Dashboard, open_page: OpenPage) -> None:
    with Proxy(url_of(dashboard).removeprefix("http://")).running() as proxy:
        page = open_page(f"http://{proxy.address}/runs/new")
        live = page.locator("#live")
        expect(live).to_be_visible()  # as soon as the stream is open
        page.get_by_label("Rounds", exact=True).fill("77")
        proxy.stall()
        proxy.cut()
        expect(live).to_contain_text("Reconnecting, data is ")
        ends = "[...document.querySelectorAll('#live > span > span')].map((one) => one.getBoundingClientRect())"
        assert page.evaluate(f"(([word, age]) => age.left - word.right)({ends})") == 0, "no gap before the comma"
        start = page.get_by_role("button", name="Start federation")
        start.click()
        expect(page.locator("#message")).to_contain_text("The server did not answer. The page keeps what you entered.")
        expect(page).to_have_url(f"http://{proxy.address}/runs/new")
        expect(page.get_by_label("Rounds", exact=True)).to_have_value("77")
        proxy.flow()
        start.click()
        page.wait_for_url("**/runs/1")
        assert dashboard.run(1)["num_rounds"] == 77
        page.close()  # before the proxy ends, which is one more cut
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser itself says that it could not connect


def test_a_run_that_is_deleted_elsewhere_says_so_on_its_open_page(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = finished_run(dashboard, num_rounds=2, name="Short-lived")
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("summary", has_text="Add rounds")).to_be_visible()
    assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204
    expect(page.locator("h1")).to_have_text("#1 Short-lived was deleted")
    expect(page).to_have_title(f"#{run_id} Short-lived was deleted · Meadow")
    expect(page.locator("summary", has_text="Add rounds")).to_have_count(0)
    page.get_by_role("link", name="All runs").click()
    page.wait_for_url("**/runs")
