"""What a browser's stream goes through: values that are no numbers, a cut, seven tabs."""

import os

import pytest
from playwright.sync_api import Browser, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import LISTEN, OpenPage, url_of
from tests.support.answers import nan_loss_in_round_1
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until
from tests.support.proxy import Proxy

CUT_SECONDS = float(os.environ.get("CUT_SECONDS", "5"))
"""How long the stream is cut; CUT_SECONDS=30 takes as long as a lunch break of the network does."""


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.4 if task.phase == "train" else 0.0
    return answer


def test_a_value_that_is_no_number_is_a_gap_with_a_mark(dashboard: Dashboard, open_page: OpenPage) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", nan_loss_in_round_1)
        stage.add("site-b", nan_loss_in_round_1)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=3)
        dashboard.wait_for_state(run_id, "completed")
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
    chart = page.locator("meadow-chart[metric=loss]")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator("tr[data-round='1'] td").first).to_have_text("NaN")
    expect(page.locator("#round-1 td:nth-of-type(4)")).to_have_text("NaN")  # the table of rounds says the same
    cross = "cross: the mean is not a number"
    expect(chart.get_by_text(cross)).to_be_visible()
    expect(page.locator("meadow-chart[metric=accuracy]").get_by_text(cross)).to_be_hidden()
    curve = "document.querySelector('meadow-chart[metric=loss]').curve"
    assert page.evaluate(f"[{curve}.mean[1], [...{curve}.odd.keys()]]") == [None, [1]]
    points = dashboard.http.get(f"/api/runs/{run_id}/metrics", params={"name": "loss"}).json()["items"]
    assert {(p["value"], p["kind"]) for p in points if p["round"] == 1 and p["phase"] == "evaluate"} == {(None, "nan")}
    assert ",loss,NaN" in dashboard.http.get(f"/api/runs/{run_id}/metrics.csv").text


@pytest.mark.timeout(150)
def test_a_cut_stream_says_so_and_every_missed_event_arrives_once(dashboard: Dashboard, open_page: OpenPage) -> None:
    with Proxy(url_of(dashboard).removeprefix("http://")).running() as proxy, dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        page = open_page(f"http://{proxy.address}/")
        live = page.locator("#live")
        expect(live).to_have_text("Live")
        page.evaluate(LISTEN)
        page.evaluate("window.loadedOnce = true")
        run_id = dashboard.start_run(num_rounds=1000)
        wait_until(lambda: page.evaluate("window.heard.length") > 2, what="rounds are heard")

        proxy.stall()
        proxy.cut()
        expect(live).to_contain_text("Reconnecting, data is ")
        missed_from = dashboard.run(run_id)["current_round"]
        page.wait_for_timeout(CUT_SECONDS * 1000)
        expect(live).to_contain_text("Reconnecting, data is ")
        assert dashboard.run(run_id)["current_round"] > missed_from, "the run went on meanwhile"
        proxy.flow()

        expect(live).to_have_text("Live", timeout=30_000)
        dashboard.http.post(f"/runs/{run_id}/stop")
        run = dashboard.wait_for_state(run_id, "stopped")
        told = dashboard.stream(f"/api/runs/{run_id}/events", lambda _: False)
        rounds = [event["data"]["id"] for event in told if event["event"] == "round"]
        wait_until(lambda: len(page.evaluate("window.heard")) >= len(rounds), what="what was missed")
        assert page.evaluate("window.heard") == rounds, "every event once, in order"
        expect(page.locator("meadow-chart[metric=loss] .readout")).to_contain_text(f"round {run['current_round']}")
        assert page.evaluate("window.loadedOnce"), "the page was loaded again"
        page.close()  # before the proxy ends, which is one more cut
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser itself says that it could not connect


def test_seven_tabs_of_one_browser_all_load(dashboard: Dashboard, browser: Browser) -> None:
    context = browser.new_context()
    tabs = [context.new_page() for _ in range(7)]
    hide = """Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));"""
    for tab in tabs:
        tab.goto(url_of(dashboard), timeout=10_000)
        expect(tab.locator("h1")).to_have_text("No client has connected yet")
        expect(tab.locator("#live")).to_contain_text("Live")
        tab.evaluate(hide)  # what a browser tells a tab when the next one comes to the front
    wait_until(lambda: dashboard.parts.event_hub.stream_count == 0, what="hidden tabs hold no stream")
    context.close()
