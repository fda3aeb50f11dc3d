"""What pages do: forms and their mistakes, without scripts, by keyboard, alike in numbers, small in bytes."""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.processes import wait_until


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
        yield Scenes(url_of(dashboard), {"home": "/", "run": f"/runs/{active}"})


def test_mistakes_in_the_form_are_shown_and_spoken(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/runs/new")
    page.evaluate("document.querySelector('form.form').noValidate = true")
    page.get_by_label("Run name").fill("Mine")
    page.get_by_label("Rounds", exact=True).fill("0")
    page.get_by_role("button", name="Start federation").click()

    expect(page.get_by_role("alert")).to_contain_text("Rounds")
    expect(page.get_by_label("Rounds", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Run name")).to_have_value("Mine")
    look(page, "new-mistakes")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422


def test_fields_come_and_go_with_the_choices_that_need_them(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/runs/new")
    alpha = page.get_by_label("Dirichlet α")
    expect(alpha).to_be_hidden()
    page.get_by_label("Data partitioning").select_option("dirichlet")
    expect(alpha).to_be_visible()
    page.get_by_label("Dataset", exact=True).select_option("synthetic")
    expect(page.get_by_label("Network")).to_have_value("synthetic")
    page.get_by_label("Selected clients").check()
    page.locator("summary", has_text="Advanced").click()
    threshold = page.get_by_label("Norm threshold")
    for choice, is_visible in (("clip", True), ("off", False), ("reject", True)):
        page.get_by_label("Update norm check").select_option(choice)
        expect(threshold).to_be_visible(visible=is_visible)
    expect(page.get_by_text("No clients yet")).to_be_visible()


def test_what_the_run_would_be_follows_the_answers(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(dashboard)}/runs/new")
    page.get_by_label("Rounds", exact=True).fill("77")
    expect(page.locator("#start-sum")).to_contain_text("77 with 2 clients")
    page.get_by_label("Network").select_option("resnet50")
    expect(page.locator("#start-sum")).to_contain_text("about 378")
    with dashboard.stage() as stage:
        stage.add("site-a", dataset="digits")
        expect(page.locator("#start-sum").get_by_role("link", name="site-a")).to_be_visible()
        expect(page.get_by_label("Rounds", exact=True)).to_have_value("77")
        page.get_by_role("link", name="Home").click()
        page.get_by_label("Dataset", exact=True).select_option("mnist")
        expect(page.locator("#home-preview")).to_contain_text("0 eligible clients.")


def test_without_scripts_pages_read_and_forms_post(scenes: Scenes, open_page: OpenPage) -> None:
    page = open_page(scenes.url, java_script_enabled=False)
    expect(page.locator("h1")).to_contain_text("Round 6 of 12")
    expect(page.locator("meadow-chart[metric=accuracy] .readout")).to_contain_text("round 5: mean")
    page.get_by_role("link", name="Runs").click()
    page.get_by_label("Search").fill("labs")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Run name").fill("Without scripts")
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator("h1")).to_have_text("Without scripts")
    page.get_by_role("button", name="Cancel run").click()
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


def test_nothing_moves_where_the_system_asks_for_reduced_motion(scenes: Scenes, open_page: OpenPage) -> None:
    moving = "document.getAnimations().map((one) => one.animationName ?? one.transitionProperty)"
    page = open_page(scenes.url + scenes.paths["home"])
    wait_until(lambda: "pulse" in page.evaluate(moving), what="the bar of the current round moves")
    for name in ("home", "run"):
        still = open_page(scenes.url + scenes.paths[name], reduced_motion="reduce")
        expect(still.locator(".round-bars .now")).to_be_visible()
        expect(still.locator("meadow-chart canvas").first).to_be_visible()
        still.get_by_role("link", name="New run").hover()
        assert still.evaluate(moving) == []


def test_the_command_is_copied(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(url_of(dashboard), permissions=["clipboard-read", "clipboard-write"])
    page.locator("[data-from='#join']").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (f"python -m federation.client --server {dashboard.flower_address} --name my-lab --dataset digits")


def test_no_page_loads_many_own_scripts_and_styles(scenes: Scenes, open_page: OpenPage) -> None:
    """Own files, gzipped one by one, without the vendored ones: a page loads what it needs."""
    loaded = "performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)"
    static = Path(__file__).parent.parent.parent / "static"
    for path in (*scenes.paths.values(), "/runs", "/runs/new", "/runs/compare?id=1&id=2", "/clients",
                 "/experiments/new"):  # fmt: skip
        page = open_page(scenes.url + path)
        page.wait_for_load_state()
        names = {one.removeprefix("/static/") for one in page.evaluate(loaded) if re.match("/static/(css|js)/", one)}
        size = sum(len(gzip.compress((static / name).read_bytes())) for name in names)
        print(f"\n{path}: {size} bytes of own scripts and styles, gzipped")
        assert 30_000 < size < 53_000
