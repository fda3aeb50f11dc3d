"""From an empty dashboard to a model of three hospitals' tables in a real Chromium, as docs/own-data.md tells it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from examples.hospitals import MISSING, write_hospitals
from tests.browser.conftest import OpenPage, wait_for_clients
from tests.browser.looking import look
from tests.support.processes import Meadow, RealProcess, make_meadow

TRAINING_SECONDS = 120.0
OPTIONS = ["--target", "diagnosis", "--data-name", "breast-cancer", "--share-statistics", "--ignore", "patient"]


@pytest.fixture
def meadow(tmp_path: Path) -> Iterator[Meadow]:
    meadow = make_meadow(tmp_path, preloaded=True)
    meadow.start()
    yield meadow
    meadow.kill()


def command_of(page: Page, file: Path) -> list[str]:
    """Make a join code on the page and return the arguments of the command that it shows, with its words filled in."""
    page.get_by_label("Client name").fill("hospital-a")
    page.get_by_label("Dataset", exact=True).select_option("Its own table, images or arrays")
    page.get_by_role("button", name="Make a join code").click()
    words = shlex.split(page.locator("#join").inner_text())
    filled = {"FILE": str(file), "COLUMN": "diagnosis", "NAME": "breast-cancer"}
    return [*(filled.get(word, word) for word in words[1:]), "--ignore", "patient"]


def test_three_hospitals_train_a_model_of_their_tables_without_code(
    meadow: Meadow, tmp_path: Path, open_page: OpenPage
) -> None:
    first, *_ = write_hospitals(tmp_path)
    page, home = open_page(f"{meadow.url}/clients/add"), {"HOME": str(tmp_path)}
    two = ["-m", "federation.simulation", "--server", meadow.flower_address, "--clients", "2", "--name", "hospital"]
    processes = [
        RealProcess(command_of(page, first), tmp_path / "client.log", home),
        RealProcess([*two, "--data", str(tmp_path / "hospital-[bc].csv"), *OPTIONS], tmp_path / "others.log", home),
    ]
    try:
        for process in processes:
            process.start()
        wait_for_clients(meadow.url, 3)
        train(meadow, page)
        page.close()
    finally:
        for process in processes:
            process.kill()
    assert meadow.interrupt() == 0
    written = [file for file in [meadow.log, *meadow.data_dir.rglob("*")] if file.is_file()]
    assert any(b"mean texture" in file.read_bytes() for file in written)
    patient, *cells = first.read_text().splitlines()[7].split(",")[:4]
    for planted in (patient, *(cell for cell in cells if len(cell) > 5), first.name):
        assert not [file for file in written if planted.encode() in file.read_bytes()], planted


def train(meadow: Meadow, page: Page) -> None:
    """Start a run with the form, see what it says of the data, and wait for its model."""
    page.goto(f"{meadow.url}/runs/new")
    expect(page.get_by_label("Dataset", exact=True)).to_have_value("breast-cancer")
    page.get_by_label("Rounds", exact=True).fill("5")
    page.get_by_label("Minimum clients per round").fill("3")
    expect(page.locator("#start-sum")).to_contain_text("29 of 30, those that all clients have")
    expect(page.locator("#own-data-columns tbody tr").first).to_contain_text(f"{MISSING} (not used)")
    expect(page.locator("#own-data-columns td.wrong")).to_have_text(["missing"])
    look(page, "own-data-form")
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator(".crumb .state")).to_have_text("Completed", timeout=TRAINING_SECONDS * 1000)
    page.goto(f"{page.url}?metric=auc")
    figure = page.locator("meadow-chart[metric=auc] .figure").inner_text()
    assert float(re.sub("[^0-9.]", "", figure)) >= (98 if "%" in figure else 0.98), figure
    page.goto(f"{meadow.url}/data/breast-cancer")
    expect(page.locator("#own-data")).to_contain_text("shared by 3 of 3 clients")
    look(page, "own-data-statistics")
    page.get_by_role("link", name="Histograms").click()
    expect(page.get_by_label("Network", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator(".crumb .state")).to_have_text("Completed")
    expect(page.locator("#statistics .histogram").first).to_have_attribute("aria-label", re.compile("most rows, "))
    look(page, "statistics-run")
    page.goto(f"{meadow.url}/runs/1")
    page.get_by_role("link", name="Evaluate round 5").click()
    expect(page.get_by_label("Rounds", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Start federation").click()
    expect(page.locator(".crumb .state")).to_have_text("Completed", timeout=TRAINING_SECONDS * 1000)
    expect(page.locator("#results")).to_contain_text("worst first")
    expect(page.locator("#confusion")).to_contain_text("benign")
    look(page, "evaluation-run")
