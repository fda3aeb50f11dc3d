"""Pictures of a real federation that learns digits. UPDATE_IMAGES=1 writes those of the README anew."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, url_of, wait_for_clients
from tests.browser.looking import look
from tests.browser.test_people import sign_in
from tests.support.dashboard import running
from tests.support.http import LOCAL
from tests.support.people import PASSWORD, add_person, cookie_of
from tests.support.processes import Meadow, RealProcess, make_meadow, wait_until
from tests.support.receivers import http_receiver
from webapp.operations.notifications.messages import Occasion

ROOT = Path(__file__).parent.parent.parent
SITES = ("st-anna", "northgate", "harbour")
Theme = Literal["light", "dark"]

pytestmark = pytest.mark.slow


@dataclass
class Hospitals:
    """A dashboard and three clients that share their labels."""

    meadow: Meadow
    clients: dict[str, RealProcess]

    @property
    def url(self) -> str:
        return self.meadow.url


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospitals]:
    """A dashboard and three clients, each with a third of the digits."""
    folder = tmp_path_factory.mktemp("hospitals")
    meadow, clients = make_meadow(folder, preloaded=True), dict[str, RealProcess]()
    for part, name in enumerate(SITES):
        command = ["-m", "federation.client", "--server", meadow.flower_address, "--name", name, "--dataset", "digits"]
        command += ["--partition", str(part), "--partitions", "3", "--identity", str(folder / f"{name}.json")]
        clients[name] = RealProcess([*command, "--share-labels"], folder / f"{name}.log")
    try:
        for process in (meadow, *clients.values()):
            process.start()
        wait_for_clients(meadow.url, len(SITES))
        yield Hospitals(meadow, clients)
    finally:
        for process in (meadow, *clients.values()):
            process.kill()


def photograph(
    page: Page, name: str, *themes: Theme, moment: Callable[[], object] = lambda: True, without: str = ""
) -> None:
    """Keep a picture of what is in the window at a good moment, in the light theme or in those that are named.

    ``without`` is a pattern of facts that no picture needs to tell: they are of this machine.
    """
    folder = ROOT / "docs" / "images" if os.environ.get("UPDATE_IMAGES") else ROOT / "build" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for theme in themes or ("light",):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)  # until the charts are drawn in the other colours
        wait_until(moment, 60, f"a good moment for {name}")
        if without:
            facts = page.locator("dl.config > div", has=page.locator("dt", has_text=re.compile(without)))
            facts.evaluate_all("(all) => all.forEach((one) => one.remove())")
        page.screenshot(path=folder / f"{name}{'-dark' if theme == 'dark' else ''}.png")
    page.emulate_media(color_scheme="light", reduced_motion="reduce")


def rounds_drawn(page: Page) -> int:
    """Return the last round in the table under the chart of accuracy."""
    rows = page.locator("meadow-chart[metric=accuracy] tbody tr")
    return int(rows.last.get_attribute("data-round") or 0) if rows.count() else 0


def head_of(page: Page) -> str:
    """Return the sentence at the top of a run's page."""
    return page.locator(".lede").inner_text()


def run_of(url: str, run_id: int) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/api/runs/{run_id}", **LOCAL).json())


def start(page: Page, name: str, **answers: str) -> None:
    """Fill in the form as a person does, and press Start."""
    page.get_by_label("Run name").fill(name)
    page.get_by_label("Data partitioning").select_option("dirichlet")
    page.get_by_label("Dirichlet α").fill("0.4")
    page.get_by_label("Rounds", exact=True).fill("40")
    page.get_by_label("Local epochs", exact=True).fill("12")
    page.get_by_label("Learning rate", exact=True).fill("0.0003")
    page.get_by_label("Minimum clients per round").fill("3")
    page.locator("summary", has_text="Advanced").click()
    page.get_by_label("Seed", exact=True).fill("7")
    for label, value in answers.items():
        page.get_by_label(label).select_option(value)
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator("h1")).to_have_text(name)


@pytest.mark.timeout(400)
def test_a_federation_learns_digits_while_a_person_watches(hospitals: Hospitals, open_page: OpenPage) -> None:
    url = hospitals.url
    page = open_page(f"{url}/runs/new", height=820)
    start(page, "Skewed hospitals")
    watching = open_page(url, height=820)
    wait_until(lambda: rounds_drawn(watching) >= 12, 180, "12 rounds")
    expect(watching.locator("h1")).to_contain_text(", training: ", timeout=20_000)
    training = watching.locator(".clients-now", has_text="Training")
    photograph(watching, "home", "light", "dark", moment=training.count)
    wait_until(lambda: rounds_drawn(page) >= 16, 60, "16 rounds")
    photograph(page, "run", "light", "dark", moment=lambda: f"Round {rounds_drawn(page) + 1} of" in head_of(page))
    wait_until(lambda: run_of(url, 1)["state"] == "completed", 120, "40 rounds")
    expect(page.locator(".crumb .state")).to_have_text("Completed")
    assert run_of(url, 1)["last_metrics"]["evaluate_accuracy"] > 0.8

    page.goto(f"{url}/runs/new?from=1")
    expect(page.locator("#start-sum svg.labels").first).to_be_visible()
    photograph(page, "start", "light", "dark")
    start(page, "Skewed hospitals, Adam", Strategy="FedAdam")
    wait_until(lambda: run_of(url, 2)["current_round"] >= 9, 120, "9 rounds")
    page.goto(f"{url}/runs?id=1&id=2")
    photograph(page, "runs")
    page.goto(f"{url}/clients")
    photograph(page, "clients")

    hospitals.clients["harbour"].kill()
    watching.bring_to_front()
    expect(watching.locator(".block .clock")).to_be_visible(timeout=30_000)
    photograph(watching, "blocked")
    page.goto(f"{url}/runs/compare?id=1&id=2&target=70")
    expect(page.locator("meadow-compare canvas").first).to_be_visible()
    photograph(page, "compare")
    page.goto(f"{url}/clients/2")
    photograph(page, "client", without="^(System|Host)$")
    page.goto(f"{url}/server")
    photograph(page, "server", without="^Data directory$")


def test_people_join_codes_and_notifications_are_shown(tmp_path: Path, open_page: OpenPage) -> None:
    with running(tmp_path, admission="code", allow_private_webhooks=True) as dashboard, http_receiver() as receiver:
        for name, role in (("ada", "admin"), ("ben", "operator"), ("eva", "viewer")):
            add_person(dashboard, name, role, PASSWORD if name == "ada" else None)
            cookie_of(dashboard, name)  # a sign-in
        channels = dashboard.parts.notifications.channels
        ended = [Occasion.RUN_FINISHED, Occasion.RUN_FAILED]
        chat, _ = channels.add("Lab chat", "slack", receiver.url(), "", ended)
        channels.add("On call", "email", "ada@lab.example", "", [Occasion.RUN_FAILED, Occasion.CLIENT_LOST])
        channels.test(chat.id)
        wait_until(lambda: [one.state for one in channels.deliveries()] == ["sent"])
        page = open_page(f"{url_of(dashboard)}/login?next=/clients/add", height=560)
        sign_in(page, "ada")
        page.get_by_label("Client name").fill("st-anna")
        page.get_by_label("Partition", exact=True).fill("0")
        page.get_by_label("Number of partitions").fill("3")
        page.get_by_role("button", name="Make a join code").click()
        expect(page.locator("#join")).to_contain_text("--join")
        photograph(page, "add-client")
        page.goto(f"{url_of(dashboard)}/people")
        photograph(page, "people")
        page.goto(f"{url_of(dashboard)}/notifications")
        photograph(page, "notifications")
        page.get_by_role("link", name="Edit Lab chat").click()
        look(page, "channel")
        page.close()  # before the server ends, of which it would complain
