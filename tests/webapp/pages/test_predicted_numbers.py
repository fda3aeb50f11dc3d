"""The pages of a run that predicts a number: the rmse where others have the accuracy."""

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, Answering, honest
from tests.support.markup import get_page


def off_by(rmse: float) -> Answering:
    """Return a client whose predictions are off by so much."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "evaluate":
            said.metrics = {"loss": 1.0, "rmse": rmse}
        return said

    return answer


def test_a_run_that_predicts_a_number_shows_rmse_and_keeps_its_best_round(dashboard: Dashboard) -> None:
    def falling(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "evaluate":
            said.metrics = {"loss": 1.0, "rmse": 2.0 if task.round == 1 else 5.0, "mae": 1.0}
        return said

    run_id = finished_run(dashboard, falling, num_rounds=4)
    page = get_page(dashboard.http, f"/runs/{run_id}")
    assert "Completed 4 rounds, rmse 5.000." in page.text
    assert page.one("title").text.startswith("Completed \u00b7 4/4 \u00b7 rmse 5.000")
    bars = page.one("svg", class_="round-bars")
    assert "best 2.000" in bars.text and "mean rmse of the round" in str(bars["aria-label"])
    assert "Round 2 completed, 2 of 2 updates: rmse 5.000" in page.text
    charts = page.all("meadow-chart")
    assert [chart["metric"] for chart in charts] == ["rmse", "loss"]
    assert "RMSE" in charts[0].text and "best 2" in charts[0].text and "in round 1" in charts[0].text
    heads = [head.text for head in page.one("section", id="rounds").all("th", scope="col")]
    assert "RMSE" in heads and "Accuracy" not in heads
    first = page.one("tr", id="round-1").all("td")
    assert (first[heads.index("RMSE") - 1].text, first[heads.index("Change") - 1].text) == ("2.000", "\u22123.000")
    heat = page.one("section", id="by-round")
    assert heat.one("a", aria_current="true").text == "RMSE" and "Accuracy" not in heat.text
    compared = get_page(dashboard.http, f"/runs/compare?id={run_id}")
    offered = compared.one("select", id="metric").all("option")
    assert [one["value"] for one in offered] == ["accuracy", "loss", "mae", "rmse_pooled", "rmse"]
    assert [one["value"] for one in offered if "selected" in one] == ["rmse"]
    answer = dashboard.http.get(f"/api/runs/{run_id}/model?round=best")
    assert f"run-{run_id}-round-1.npz" in answer.headers["content-disposition"]
    client = get_page(dashboard.http, "/clients/1").one("section", aria_labelledby="runs-h").one("tbody").all("td")
    assert [one.text for one in client[2:4]] == ["5.000 rmse", "5.000"]


def test_rows_of_clients_show_the_rmse_and_mark_the_highest(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for number, rmse in enumerate((2.0, 9.0, 4.0), 1):
            stage.add(f"site-{number}", off_by(rmse))
            dashboard.wait_for_clients(number)
        run_id = dashboard.start_run(num_rounds=100_000, min_clients=3)
        dashboard.wait_for_state(run_id, "running")
        dashboard.http.post(f"/api/runs/{run_id}/pause").raise_for_status()
        dashboard.wait_for_state(run_id, "paused")
        for path in ("/", f"/runs/{run_id}"):
            now = get_page(dashboard.http, path).one("ul", class_="clients-now")
            rows = now.all("li", data_run=True)
            assert "RMSE, tick: mean" in now.text
            assert [row.one("span", class_="acc").text.split()[-1] for row in rows] == ["2.000", "9.000", "4.000"]
            assert [bool(row.all("circle", class_="worst")) for row in rows] == [False, True, False]
        dashboard.http.post(f"/api/runs/{run_id}/stop").raise_for_status()
        dashboard.wait_for_state(run_id, "stopped")
