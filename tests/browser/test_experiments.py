"""Experiments in a real Chromium: the form counts its runs while it is filled in, the page follows the runs."""

from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import THEMES, look
from tests.support.dashboard import Dashboard

SHOWN = """[".parallel text", ".parallel .best"].map((one) => getComputedStyle(document.querySelector(one)).stroke)"""
"""The colour of the page, which the halo of a text has, and that of the best line."""


def test_an_experiment_is_filled_in_started_and_followed(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/experiments/new")
    page.get_by_label("Dense layers (MLP)").uncheck()
    page.get_by_label("Synthetic", exact=True).check()
    expect(page.get_by_label("Learning rate", exact=True)).to_be_hidden()
    page.get_by_label("FedProx").check()
    page.get_by_label("Proximal μ").fill("0.01, 0.1")
    page.get_by_label("Synthetic parameters").fill("10:30:10")
    page.get_by_label("Seeds", exact=True).fill("2")
    expect(page.locator("#start-sum")).to_contain_text("Configurations 9 Seeds 2 Runs 18")
    look(page, "experiment form")
    page.get_by_role("button", name="Start experiment").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("0 of 18 runs completed")
    with dashboard.stage() as stage:
        for count, name in enumerate("ab", 1):
            stage.add(name)
            dashboard.wait_for_clients(count)
        expect(page.get_by_role("heading", level=1)).to_contain_text("18 of 18 runs completed", timeout=30_000)
    chart = page.locator("meadow-experiment")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator(".readout")).to_contain_text("last, by configuration: ")
    drawn = "document.querySelector('meadow-experiment').plot.series.length"
    expect(page.locator(".parallel polyline")).to_have_count(9)
    assert page.evaluate(drawn) == 1 + 3 * 8
    with page.expect_download() as png:
        page.get_by_role("button", name="PNG of the curves", exact=True).click()
    assert png.value.suggested_filename == "experiment-1-accuracy.png"
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")
    assert_parallel_coordinates_are_saved_in_both_themes(page)
    page.get_by_label("Value of").select_option("last")
    expect(page.locator("thead")).to_contain_text("Last accuracy")
    expect(page).to_have_url(f"{url_of(dashboard)}/experiments/1?metric=accuracy&which=last")
    look(page, "experiment")


def assert_parallel_coordinates_are_saved_in_both_themes(page: Page) -> None:
    """The saved image has the colours that the page has: the background, and the line of the best configuration."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        with page.expect_download() as saved:
            page.get_by_role("button", name="PNG of parallel coordinates", exact=True).click()
        assert saved.value.suggested_filename == "experiment-1-parallel-coordinates-accuracy.png"
        background, best = page.evaluate(SHOWN)
        image = Image.open(saved.value.path()).convert("RGB")
        colours = {f"rgb{image.getpixel(at)}" for at in product(range(image.width), range(image.height))}
        assert f"rgb{image.getpixel((0, 0))}" == background and best in colours, theme
