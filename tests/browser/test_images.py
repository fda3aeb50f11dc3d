"""Pictures of a real federation that learns digits. UPDATE_IMAGES=1 writes those of the README anew."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, wait_for_clients
from tests.processes import Meadow, RealProcess, make_meadow, wait_until

ROOT = Path(__file__).parent.parent.parent
SITES = ("st-anna", "northgate", "harbour")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meadow]:
    """A dashboard and three clients, each with a third of the digits."""
    folder = tmp_path_factory.mktemp("hospitals")
    meadow = make_meadow(folder)
    processes: list[RealProcess] = [meadow]
    for part, name in enumerate(SITES):
        command = ["-m", "federation.client", "--server", meadow.flower_address, "--name", name, "--dataset", "digits"]
        command += ["--partition", str(part), "--partitions", "3", "--identity", str(folder / f"{name}.json")]
        processes.append(RealProcess(command, folder / f"{name}.log"))
    try:
        for process in processes:
            process.start()
        wait_for_clients(meadow.url, len(SITES))
        yield meadow
    finally:
        for process in processes:
            process.kill()


def photograph(page: Page, name: str) -> None:
    """Keep a picture of what is in the window."""
    folder = ROOT / "docs" / "images" if os.environ.get("UPDATE_IMAGES") else ROOT / "build" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def rounds_drawn(page: Page) -> int:
    """Return the last round in the table under the chart of accuracy."""
    page.wait_for_timeout(100)
    rows = page.locator("meadow-chart[metric=accuracy] tbody tr")
    return int(rows.last.get_attribute("data-round") or 0) if rows.count() else 0


@pytest.mark.timeout(240)
def test_a_federation_learns_digits_while_a_person_watches(hospitals: Meadow, open_page: OpenPage) -> None:
    page = open_page(f"{hospitals.url}/runs/new", height=820)
    page.get_by_label("Name of the run").fill("Skewed hospitals")
    page.get_by_label("Split").select_option("dirichlet")
    page.get_by_label("Skew: Dirichlet").fill("0.4")
    page.get_by_label("Rounds", exact=True).fill("30")
    page.get_by_label("Local epochs a round").fill("12")
    page.get_by_label("Learning rate", exact=True).fill("0.0004")
    page.get_by_label("Fewest clients for a round").fill("3")
    page.get_by_text("Advanced").click()
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator("h1")).to_have_text("Skewed hospitals")

    watching = open_page(hospitals.url, height=820)
    wait_until(lambda: rounds_drawn(watching) >= 12, 180, "12 rounds")
    expect(watching.locator("h1")).to_contain_text("is training: ")
    photograph(watching, "home")
    wait_until(lambda: rounds_drawn(page) >= 16, 60, "16 rounds")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(500)  # until the colours have faded over
    photograph(page, "run-dark")

    def ended() -> bool:
        return bool(httpx.get(f"{hospitals.url}/api/runs/1", trust_env=False).json()["state"] == "completed")

    wait_until(ended, 120, "30 rounds")
    expect(page.locator(".crumb .state")).to_have_text("Completed")
    last = httpx.get(f"{hospitals.url}/api/runs/1", trust_env=False).json()["last_metrics"]
    assert last["evaluate_accuracy"] > 0.85
