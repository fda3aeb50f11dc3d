"""The pages of Flower Apps in a real Chromium: an app is uploaded, approved and run, by presses alone."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import running
from tests.support.flower_apps import stored, zip_of
from tests.support.light_node import LightNode


def test_an_app_is_uploaded_approved_started_and_followed_to_its_files(tmp_path: Path, open_page: OpenPage) -> None:
    archive = tmp_path / "own-loop.zip"
    archive.write_bytes(zip_of(stored("own-loop")))
    with running(tmp_path, apps=True, demo_clients=0) as dashboard:
        page = open_page(f"{url_of(dashboard)}/apps")
        page.get_by_label("A .fab").set_input_files(archive)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("lab/own-loop 1.0.0")
        expect(page.get_by_role("button", name="Start run")).to_have_count(0)
        page.get_by_role("button", name="Approve").click()
        expect(page.locator("dl.facts")).to_contain_text("Approved")
        look(page, "app")
        page.get_by_label("steps").fill("two")
        page.get_by_role("button", name="Start run").click()
        expect(page.get_by_role("alert")).to_contain_text("steps must be a whole number")
        open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422
        page.get_by_label("steps").fill("2")
        page.get_by_role("button", name="Start run").click()
        expect(page.get_by_text("0 of 2 SuperNodes online").first).to_be_visible()
        with LightNode(dashboard.flower_address), LightNode(dashboard.flower_address, partition=1):
            expect(page.get_by_role("link", name="1 file, zip")).to_be_visible(timeout=60_000)
        expect(page.locator("meadow-chart canvas").first).to_be_visible()
        expect(page.locator("#app-log")).to_contain_text("step 2")
        look(page, "app-run")
        page.goto(f"{url_of(dashboard)}/apps")
        look(page, "apps")
        page.close()  # before the dashboard ends: it would ask on
