"""The pages of a run that predicts a number: the rmse where others have the accuracy."""

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, honest
from tests.support.markup import get_page


def test_a_run_that_predicts_a_number_shows_rmse_and_keeps_its_best_round(dashboard: Dashboard) -> None:
    def falling(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "evaluate":
            said.metrics = {"loss": 1.0, "rmse": 2.0 if task.round == 1 else 5.0, "mae": 1.0}
        return said

    run_id = finished_run(dashboard, falling, num_rounds=4)
    page = get_page(dashboard.http, f"/runs/{run_id}")
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
