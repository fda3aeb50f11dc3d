"""More events at once than a stream holds, as in a round of a thousand clients, seen in a browser."""

from playwright.sync_api import expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, honest
from webapp.db.repository.events import add_event
from webapp.operations.event_hub import MAX_PENDING


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.5 if task.phase == "train" else 0.0
    return answer


def test_a_page_outlives_more_events_at_once_than_its_stream_holds(dashboard: Dashboard, open_page: OpenPage) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=4)
        page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
        expect(page.locator("#live")).to_have_text("Live")
        page.evaluate("window.loadedOnce = true")
        for _ in range(3):
            with dashboard.parts.database.write() as session:
                for _ in range(MAX_PENDING + 1):
                    add_event(session, "note", {"sentence": "again", "client_id": None}, run_id=run_id)
        expect(page.locator(".crumb .state")).to_have_text("Completed", timeout=15_000)
    for metric in ("accuracy", "loss"):
        expect(page.locator(f"meadow-chart[metric={metric}] tbody tr")).to_have_count(5)
    expect(page.locator("#live")).to_have_text("Live")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"
