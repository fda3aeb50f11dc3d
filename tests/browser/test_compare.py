"""Runs side by side in a real Chromium: every choice stands in the address, and what is seen can be taken along."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until


def scores_f1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.metrics = answer.metrics and {**answer.metrics, "f1": 0.5}
    return answer


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with two ended runs, whose clients report one metric more than usual."""
    with running(tmp_path_factory.mktemp("compared")) as dashboard, dashboard.stage() as stage:
        for name in ("site-a", "site-b"):
            stage.add(name, scores_f1)
        dashboard.wait_for_clients(2)
        for name, rounds in (("Skewed hospitals", 8), ("Seed 9", 10)):
            run_id = dashboard.start_run(name=name, num_rounds=rounds)
            dashboard.wait_for_state(run_id, "completed")
        yield dashboard


def test_what_is_seen_of_compared_runs_is_shared_and_saved(compared: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(compared)}/runs/compare?id=2&id=1")
    charts = page.locator("meadow-compare canvas")
    page.get_by_label("Phase").select_option("train")
    expect(page.locator("meadow-compare[metric=loss] h2")).to_contain_text("Loss, training")
    page.get_by_label("Metric").select_option("f1")
    expect(charts).to_have_count(3)
    page.locator(".toolbar").get_by_text("Traffic", exact=True).click()
    page.get_by_label("Log scale (loss)").check()
    page.get_by_label("Smoothing").focus()
    page.keyboard.press("ArrowRight")
    box = page.locator("meadow-compare[metric=loss] .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"id=2&id=1&phase=train&metric=f1&x=bytes&scale=log&smooth=5&from=\S+&to=\S+$"))
    seen = """[...document.querySelectorAll("meadow-compare")].map(({ metric, phase, plot }) =>
      [metric, phase, plot.scales.x.min, plot.scales.x.max, plot.scales.y.distr, plot.data])"""
    shown = page.evaluate(seen)
    assert [one[:2] for one in shown] == [["accuracy", "train"], ["loss", "train"], ["f1", "train"]]
    assert len({(low, high) for _, _, low, high, *_ in shown}) == 1, "all charts show the same"

    other = open_page(page.locator("#link").text_content())
    expect(other.locator("meadow-compare canvas")).to_have_count(3)
    wait_until(lambda: other.evaluate(seen) == shown, what="whoever opens the link sees the same")
    other.close()

    with page.expect_download() as csv:
        page.get_by_role("button", name="CSV").click()
    rows = [row.split(",") for row in Path(csv.value.path()).read_text("utf-8-sig").splitlines()]
    assert rows[0] == ["metric", "run", "name", "round", "seconds", "bytes", "mean", "clients", "samples", "data"]
    assert {(row[0], row[1], row[2]) for row in rows[1:]} == {
        (metric, *run) for metric in ("accuracy", "loss", "f1") for run in (("2", "Seed 9"), ("1", "Skewed hospitals"))
    }
    low, high = shown[0][2:4]
    assert all(low <= int(row[5]) <= high for row in rows[1:]), "only what is seen"
    with page.expect_download() as png:
        page.get_by_role("button", name="PNG").click()
    assert png.value.suggested_filename == "runs-2-1-accuracy-loss-f1.png"
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")
    page.get_by_role("button", name="Reset zoom").click()
    wait_until(lambda: page.evaluate(seen)[0][2] == 0, what="the whole runs")
