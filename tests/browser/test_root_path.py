"""A dashboard under a path behind nginx, in a browser: a run is started there, and its curve is drawn live."""

from pathlib import Path

from playwright.sync_api import expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage
from tests.support.dashboard import running
from tests.support.light_client import Answer, Stage, honest
from tests.support.nginx import nginx_in_front


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 1.0 if task.phase == "train" else 0.0
    return answer


def test_a_run_is_started_under_a_path_and_its_curve_grows(tmp_path: Path, open_page: OpenPage) -> None:
    with running(tmp_path, root_path="/meadow", demo_clients=0) as dashboard:
        port = f"127.0.0.1:{dashboard.http.base_url.port}"
        with (
            nginx_in_front(tmp_path, "passes the path on", port, dashboard.flower_address) as nginx,
            Stage(nginx.client_address) as stage,
        ):
            for name in ("site-a", "site-b"):
                stage.add(name, unhurried)
            dashboard.wait_for_clients(2)
            page = open_page(f"{nginx.url}/meadow", ignore_https_errors=True)
            page.get_by_label("Rounds").fill("3")
            page.get_by_role("button", name="Start federation").click()
            page.wait_for_url("**/meadow/runs/1")
            page.evaluate("window.loadedOnce = true")
            rows = page.locator("meadow-chart[metric=accuracy] tbody tr")
            expect(rows).to_have_count(2)
            expect(page.locator("#live")).to_contain_text("Live")
            expect(rows).to_have_count(4)
            expect(page.locator(".crumb .state")).to_have_text("Completed")
            assert page.evaluate("window.loadedOnce"), "the page was loaded again"
            page.get_by_role("link", name="Runs", exact=True).first.click()
            page.wait_for_url("**/meadow/runs")
            page.close()  # before nginx ends its event stream
