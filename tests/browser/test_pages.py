"""Every page in every state: nothing that axe finds, nothing wider than a phone, readable without scripts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from federation.weights import Layout
from federation.wire import Task
from tests.browser.conftest import OpenPage, url_of
from tests.dashboard import Dashboard, running
from tests.processes import wait_until
from tests.puppet import Answer, Stage, honest

RESULTS = Path("build") / "screenshots"


def uneven(place: int) -> Callable[[Task, bytes | None, Layout | None], Answer]:
    """Answer with metrics of a client's own, late in the fourth round for good."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase != "prepare":
            said.metrics = {name: value * (1 - 0.07 * place) for name, value in said.metrics.items()}
        if task.phase == "train" and task.round == 2 and place == 3:
            said.num_examples = 0
        said.silent = task.phase == "train" and task.round == 6 and place > 1
        return said

    return answer


@dataclass
class Scenes:
    """Addresses of pages by what they show."""

    url: str
    paths: dict[str, str]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """A dashboard with runs in many states: one under way, others ended and queued."""
    with running(tmp_path_factory.mktemp("scenes")) as dashboard, dashboard.stage() as stage:
        for place, name in enumerate(("st-anna", "northgate", "harbour", "field-03")):
            stage.add(name, uneven(place))
        dashboard.wait_for_clients(4)
        done = dashboard.start_run(name="Skewed hospitals", num_rounds=5)
        dashboard.wait_for_state(done, "completed")
        active = dashboard.start_run(name="Skewed hospitals, again", num_rounds=12)
        dashboard.start_run(name="Two labs only", num_rounds=25)
        cancelled = dashboard.start_run(name="A typo")
        dashboard.http.post(f"/runs/{cancelled}/stop")
        wait_until(lambda: dashboard.run(active)["current_round"] == 5, what="round 5")
        yield Scenes(url_of(dashboard), {
            "home": "/", "runs": "/runs", "run": f"/runs/{active}", "run-done": f"/runs/{done}",
            "run-cancelled": f"/runs/{cancelled}", "clients": "/clients", "new": "/runs/new",
            "new-from": f"/runs/new?from={done}", "runs-none": "/runs?q=nothing+like+it", "error": "/nothing",
        })  # fmt: skip


NAMES = ["home", "runs", "run", "run-done", "run-cancelled", "clients", "new", "new-from", "runs-none", "error"]


def look(page: Page, name: str, theme: str) -> None:
    """Check one page as it stands: axe, width, and a picture for the reader of a failed test."""
    width = (page.viewport_size or {"width": 0})["width"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=RESULTS / f"{name}-{theme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "wider than the window"
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()


@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible_and_fits(scenes: Scenes, open_page: OpenPage, name: str, theme: str, width: int) -> None:
    page = open_page(scenes.url + scenes.paths[name], width=width, theme=theme)
    if name in ("home", "run", "run-done"):
        expect(page.locator("meadow-chart canvas").first).to_be_visible()
    if name == "error":
        open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 404
    look(page, name, theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_empty_and_waiting_pages_are_accessible(dashboard: Dashboard, open_page: OpenPage, theme: str) -> None:
    url = url_of(dashboard)
    for width in (1280, 380):
        look(open_page(url, width=width, theme=theme), "home-empty", theme)
        look(open_page(f"{url}/clients", width=width, theme=theme), "clients-empty", theme)
        look(open_page(f"{url}/runs", width=width, theme=theme), "runs-empty", theme)
    with Stage(dashboard.flower_address) as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        look(open_page(url, theme=theme), "home-idle", theme)
        run_id = dashboard.start_run(name="Digits, first try")
        dashboard.start_run(name="Median under noise", strategy="FedMedian")
        dashboard.start_run(name="The same with more rounds", num_rounds=40)
        wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("kind") == "quorum")
        for width in (1280, 380):
            page = open_page(url, width=width, theme=theme)
            expect(page.locator(".block .clock")).to_be_visible()
            look(page, "home-waiting", theme)


def test_mistakes_in_the_form_are_shown_and_spoken(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/runs/new")
    page.evaluate("document.querySelector('form.form').noValidate = true")
    page.get_by_label("Name of the run").fill("Mine")
    page.get_by_label("Rounds", exact=True).fill("0")
    page.get_by_role("button", name="Start federation").click()

    expect(page.get_by_role("alert")).to_contain_text("Rounds")
    expect(page.get_by_label("Rounds", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name of the run")).to_have_value("Mine")
    look(page, "new-errors", "light")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422


def test_fields_come_and_go_with_the_choices_that_need_them(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/runs/new")
    alpha = page.get_by_label("Skew: Dirichlet")
    expect(alpha).to_be_hidden()
    page.get_by_label("Split").select_option("dirichlet")
    expect(alpha).to_be_visible()
    page.get_by_label("Dataset").select_option("synthetic")
    expect(page.get_by_label("Network")).to_have_value("synthetic")
    page.get_by_label("Only these").check()
    expect(page.get_by_text("No client is known yet")).to_be_visible()


def test_without_scripts_pages_read_and_forms_post(scenes: Scenes, open_page: OpenPage) -> None:
    page = open_page(scenes.url, java_script_enabled=False)
    expect(page.locator("h1")).to_contain_text("Round 6 of 12")
    expect(page.locator("meadow-chart[metric=accuracy] .readout")).to_contain_text("round 5: mean")
    page.get_by_role("link", name="Runs").click()
    page.get_by_label("Search").fill("labs")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Name of the run").fill("Without scripts")
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator("h1")).to_have_text("Without scripts")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".crumb .state")).to_have_text("Cancelled")


def test_by_keyboard_alone_a_run_is_found_and_its_charts_are_told(scenes: Scenes, open_page: OpenPage) -> None:
    page = open_page(f"{scenes.url}/runs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_label("Search").focus()
    page.keyboard.type("again")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{scenes.url}/runs?q=again")
    expect(page.get_by_label("Search")).to_be_focused()
    page.get_by_role("link", name="Skewed hospitals, again").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Skewed hospitals, again")
    chart = page.get_by_role("img", name="accuracy by round: mean")
    expect(chart).to_be_visible()
    box = page.get_by_role("checkbox", name="field-03")
    box.focus()
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    page.locator("meadow-chart[metric=accuracy] summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("meadow-chart[metric=accuracy] tbody tr").first).to_be_visible()


def test_the_command_is_copied(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(url_of(dashboard), permissions=["clipboard-read", "clipboard-write"])
    page.locator("[data-from='#join']").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (f"python -m federation.client --server {dashboard.flower_address} --name my-lab --dataset digits")


def test_scripts_and_pages_write_numbers_alike(dashboard: Dashboard, open_page: OpenPage) -> None:
    from webapp import numbers

    page = open_page(url_of(dashboard))
    values = [0, 0.0204, 0.4, 0.71349, 1, 9.96, 46.92, 59.94, 59.96, 60, 1421.7, 3600, 3720.2, 86400, 172800, 270000]
    call = """async ([name, values]) => {
      const forms = await import("/static/js/numbers.js");
      return values.map((value) => forms[name](value));
    }"""
    for name in ("percent", "loss", "duration", "countdown"):
        form: Any = getattr(numbers, name)
        assert page.evaluate(call, [name, values]) == [form(value) for value in values], name
    pairs = [(0.713, 0.711, "accuracy"), (0.71, 0.73, "accuracy"), (0.816, 0.837, "loss"), (1.5, 1.25, "loss")]
    changes = """async (pairs) => {
      const { change } = await import("/static/js/numbers.js");
      return pairs.map((pair) => change(...pair));
    }"""
    assert page.evaluate(changes, pairs) == [numbers.change(*pair) for pair in pairs]


def test_own_scripts_and_styles_are_small(dashboard: Dashboard) -> None:
    import gzip

    static = Path(__file__).parent.parent.parent / "static"
    files = [*static.glob("css/*.css"), *static.rglob("js/**/*.js"), static / "glyphs.svg"]
    size = sum(len(gzip.compress(file.read_bytes())) for file in files)
    print(f"\nown scripts and styles: {size} bytes gzipped")
    assert size < 50_000
