"""A run with an own model, started from its form in a real Chromium."""

import io

import numpy as np
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard


def test_an_own_model_is_started_with_a_file_and_clients_by_name(dashboard: Dashboard, open_page: OpenPage) -> None:
    with dashboard.stage() as stage:
        for name in ("left", "right", "third"):
            stage.add(name, app="examples.app:app")
        stage.add("built-in", dataset="digits")
        dashboard.wait_for_clients(4)
        page = open_page(f"{url_of(dashboard)}/runs/new")
        file, dataset = (
            page.get_by_label("Initial weights, an .npz or .h5 file"),
            page.get_by_label("Dataset", exact=True),
        )
        expect(file).to_be_hidden()
        page.get_by_label("Network", exact=True).select_option("Own model")
        expect(file).to_be_visible()
        expect(dataset).to_be_hidden()
        expect(page.locator("#start-sum")).to_contain_text("3 of 4 online")
        page.get_by_role("button", name="Start federation").click()
        expect(page.locator("#initial_weights-error")).to_contain_text("choose an .npz")
        with io.BytesIO() as packed:
            np.savez(packed, w=np.zeros(3, np.float32))
            file.set_input_files({"name": "w.npz", "mimeType": "application/zip", "buffer": packed.getvalue()})
        page.get_by_label("Selected clients").check()
        expect(page.get_by_label("built-in")).to_be_hidden()
        page.get_by_label("left").check()
        page.get_by_label("right").check()
        expect(page.locator("#start-sum")).to_contain_text("2 of 4 online")
        look(page, "own-model")
        page.get_by_role("button", name="Start federation").click()
        page.wait_for_url("**/runs/1")
        expect(page.locator(".crumb .state")).to_have_text("Completed")
    assert len(dashboard.run(1)["config"]["clients"]) == 2
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422
