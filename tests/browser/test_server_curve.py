"""What the server measures on held-out data: a curve of the charts, to which a value is added after its round."""

from federation.run.events import ServerEvaluated
from tests.browser.conftest import OpenPage
from tests.support.dashboard import Dashboard, finished_run
from webapp.db.repository.runs import get_run, set_values


def test_a_value_that_comes_after_its_round_is_drawn_and_read_out(dashboard: Dashboard, open_page: OpenPage) -> None:
    run_id = finished_run(dashboard, num_rounds=2)
    with dashboard.parts.database.write() as session:
        run = get_run(session, run_id)
        assert run is not None
        set_values(session, run_id, config={**run.config, "server_evaluation": "test_split"})
    for number in (0, 1):
        dashboard.parts.runs.record(ServerEvaluated(run_id, number, {"accuracy": 0.3, "loss": 2.0}, 10_000))
    page = open_page(f"{dashboard.http.base_url}/runs/{run_id}")
    chart = page.locator("meadow-chart[metric=accuracy]")
    chart.get_by_text("dashed: server 30.0").wait_for()
    assert "server" not in chart.locator(".readout").inner_text()
    dashboard.parts.runs.record(ServerEvaluated(run_id, 2, {"accuracy": 0.75, "loss": 1.0}, 10_000))
    chart.locator(".readout", has_text="server 75.0").wait_for()
