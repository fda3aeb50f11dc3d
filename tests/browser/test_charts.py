"""The charts of a run: what is chosen stands in the address, survives live updates, and can be taken along."""

import codecs
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, open_run
from tests.support.dashboard import Dashboard
from tests.support.processes import wait_until
from webapp.formatting import count


def scale(page: Page, metric: str = "accuracy") -> list[float]:
    x = f"document.querySelector('meadow-chart[metric={metric}]').plot.scales.x"
    return [float(value) for value in page.evaluate(f"[{x}.min, {x}.max]")]


def drag(page: Page, metric: str = "accuracy") -> None:
    box = page.locator(f"meadow-chart[metric={metric}] .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
    page.mouse.up()


def last_round(page: Page) -> int:
    return int(page.evaluate("document.querySelector('meadow-chart').curve.rounds.at(-1)"))


def test_a_zoom_is_kept_by_live_updates_and_by_the_address(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    drag(page)
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    zoomed, seen = scale(page), last_round(page)
    assert zoomed == scale(page, "loss"), "all charts show the same rounds"
    wait_until(lambda: last_round(page) > seen + 5, what="five rounds more")
    assert scale(page) == zoomed

    page.reload()
    expect(page.locator("meadow-chart canvas").first).to_be_visible()
    assert scale(page) == zoomed
    page.locator("meadow-chart[metric=accuracy] .u-over").dblclick()
    expect(page).to_have_url(re.compile(r"/runs/1$"))
    assert scale(page)[0] == 0
    page.go_back()
    wait_until(lambda: scale(page) == zoomed, what="back leads to the zoom")
    page.go_forward()
    wait_until(lambda: scale(page)[0] == 0, what="forward leads out of it")


def test_axis_smoothing_scale_and_band_are_chosen_and_kept(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    page.locator(".toolbar").get_by_text("Time", exact=True).click()
    expect(page.locator("meadow-chart[metric=loss] .readout")).to_contain_text(re.compile(r"^after .*, round "))
    page.get_by_label("Log scale (loss)").check()
    page.get_by_role("checkbox", name="Client spread").uncheck()
    page.get_by_label("Smoothing").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#smooth-out")).to_have_text("0.15")
    expect(page).to_have_url(re.compile(r"\?x=clock&scale=log&band=0&smooth=15$"))
    seen = last_round(page)
    wait_until(lambda: last_round(page) > seen + 3, what="three rounds more")
    expect(page.get_by_label("Log scale (loss)")).to_be_checked()
    expect(page).to_have_url(re.compile(r"smooth=15$"))
    plot = "document.querySelector('meadow-chart[metric=loss]').plot"
    assert page.evaluate(f"[{plot}.scales.y.distr, {plot}.bands.length]") == [3, 0]
    page.locator(".toolbar").get_by_text("Traffic", exact=True).click()
    expect(page.locator("meadow-chart[metric=loss] .readout")).to_contain_text(re.compile(r"^traffic .*, round "))


def test_a_ninth_line_is_refused_in_words(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    chips = page.locator(".chips input")
    for place in range(8):
        chips.nth(place).check()
    expect(page).to_have_url(re.compile(r"lines=1-2-3-4-5-6-7-8$"))
    chips.nth(8).click()
    expect(page.locator("#message")).to_have_text("At most 8 clients can be shown as lines; deselect one first.")
    expect(chips.nth(8)).not_to_be_checked()
    wait_until(lambda: page.evaluate("document.querySelector('meadow-chart').plot.series.length") == 15, what="8 lines")
    values = "document.querySelector('meadow-chart').curve.clients[8]?.some((value) => value > 0)"
    wait_until(lambda: page.evaluate(values), what="values of the eighth")


def test_training_and_other_metrics_have_charts_of_their_own(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    page.get_by_label("Additional metric").select_option("f1")
    expect(page.locator("meadow-chart[metric=f1] .readout")).to_contain_text("mean 0.500")
    page.get_by_label("Phase").select_option("train")
    expect(page.locator("meadow-chart[metric=loss] h2")).to_contain_text("Loss, training")
    expect(page).to_have_url(re.compile(r"\?phase=train$"))
    page.go_back()
    expect(page.locator("meadow-chart[metric=f1] h2")).to_contain_text("f1")
    expect(page.get_by_label("Phase")).to_have_value("evaluate")


def test_what_is_seen_is_saved_as_csv_and_png(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page, "?from=2&to=5&lines=1-3")
    with page.expect_download() as csv:
        page.get_by_role("link", name="CSV", exact=True).click()
    rows = Path(csv.value.path()).read_text("utf-8-sig").splitlines()
    assert Path(csv.value.path()).read_bytes().startswith(codecs.BOM_UTF8), "a spreadsheet takes it for UTF-8"
    assert re.fullmatch(r"metric,round,.*,most,clients,samples,data,server,site-\w+,site-\w+", rows[0])
    assert [row.split(",")[:2] for row in rows[1:]] == [
        [metric, str(round_)] for metric in ("accuracy", "loss") for round_ in (2, 3, 4, 5)
    ]
    with page.expect_download() as png:
        page.get_by_role("button", name="PNG").click()
    assert png.value.suggested_filename == "run-1-accuracy-loss.png"
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_map_is_walked_by_arrow_keys_and_leads_to_the_client(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    room = page.get_by_role("region", name="Client heatmap by round.")
    room.focus()
    page.keyboard.press("ArrowUp")
    said = page.locator("#heatmap-out")
    name = page.locator("#heatmap tbody th").first.inner_text()
    expect(said).to_have_text(re.compile(rf"^{name}, round \d+: \d"))
    page.keyboard.press("ArrowDown")
    expect(said).not_to_contain_text(f"{name},")
    page.keyboard.press("Home")
    expect(said).to_contain_text("round ")
    page.locator("#by-round").get_by_role("link", name="Loss", exact=True).click()
    expect(page).to_have_url(re.compile(r"cells=loss"))
    expect(page.locator("#by-round [aria-current]")).to_have_text("Loss")
    page.locator("#heatmap tbody td").first.click()
    expect(page).to_have_url(re.compile(r"/clients/\d+$"))


def test_steering_works_by_keyboard_and_says_what_it_did(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    before = going.run(1)["num_rounds"]
    page.locator("summary", has_text="Add rounds").focus()
    page.keyboard.press("Enter")
    amount = page.get_by_label("Rounds to add")
    amount.fill("7")
    seen = last_round(page)
    wait_until(lambda: last_round(page) > seen + 2, what="two rounds more")
    expect(amount).to_have_value("7")
    amount.press("Enter")
    expect(page.locator(".outcome")).to_contain_text(f"Added 7 rounds: the run has {count(before + 7)} now.")
    page.get_by_role("link", name="Stop", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Stop #1 Going on?")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("h1")).to_have_text("Going on")


def test_back_from_another_axis_leads_to_the_zoom(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    drag(page)
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    zoomed = scale(page)
    page.locator(".toolbar").get_by_text("Time", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/1\?x=clock$"))
    page.go_back()
    wait_until(lambda: scale(page) == zoomed, what="back leads to the zoom")


def test_nothing_moves_under_the_pointer_that_zooms(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    plot = page.locator("meadow-chart[metric=accuracy] .plot")
    before = plot.bounding_box()
    drag(page)
    expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    assert plot.bounding_box() == before


def test_lines_of_clients_with_the_same_colour_are_told_apart(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page, "?lines=1-5-9")
    lines = "document.querySelector('meadow-chart').view.lines"
    slots: list[int] = page.evaluate(f"{lines}.map(({{ slot }}) => slot)")
    assert slots == [1, 5, 2]

    def swatches() -> list[str | None]:
        shown = page.locator(".chips label:has(:checked) .swatch").all()
        return [swatch.get_attribute("class") for swatch in shown]

    assert swatches() == [f"swatch k{slot}" for slot in slots]
    page.locator(".chips input").nth(0).uncheck()
    assert swatches() == ["swatch k5", "swatch k1"], "its own colour as soon as that is free"
