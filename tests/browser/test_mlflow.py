"""What the page of a run says of MLflow while it stays open."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, url_of
from tests.support.dashboard import running
from tests.support.mlflow_server import mlflow_server
from tests.support.processes import wait_until


def test_a_run_that_has_ended_says_by_itself_once_mlflow_has_all_of_it(tmp_path: Path, open_page: OpenPage) -> None:
    with mlflow_server() as mlflow, running(tmp_path, mlflow_url=mlflow.url) as dashboard, dashboard.stage() as stage:
        run_id = dashboard.start_run(num_rounds=3)
        page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
        shown = page.locator("#configuration p", has_text="MLflow")
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        wait_until(lambda: dashboard.http.get(f"/api/runs/{run_id}/mlflow").json().get("state") == "sent")
        mlflow.holds = {"runs/log-batch"}
        stage.add("site-b")
        expect(page.locator(".crumb .state")).to_have_text("Completed")
        assert mlflow.held.wait(10)
        expect(shown).to_contain_text("the rest follows")
        mlflow.holds = set()
        mlflow.down()
        expect(shown).to_contain_text("The last try failed")
        mlflow.up()
        expect(shown).to_have_text("MLflow: sent up to round 3. Open in MLflow", timeout=20_000)
        page.close()
