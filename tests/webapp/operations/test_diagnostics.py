"""A run with diagnostics: what was measured of each client is in the API, in the CSV and on pages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, Answering, honest
from tests.support.markup import get_both


def step(values: list[float], accuracy: float) -> Answering:
    """Return an answering whose update is the same in each round."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        made = honest(task, weights, layout)
        if task.phase == "train" and weights is not None:
            made.weights = (np.frombuffer(weights, np.float32) + np.array(values, np.float32)).tobytes()
            made.metrics |= {"loss_before": 2.5, "loss_after": 1.25}
        elif task.phase == "evaluate":
            made.metrics = {"accuracy": accuracy, "loss": 1.0}
        return made

    return answer


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dashboard, int, int]]:
    """A dashboard with two runs of the same two clients: one with diagnostics, one without."""
    with running(Path(tmp_path_factory.mktemp("measured"))) as dashboard, dashboard.stage() as stage:
        stage.add("site-a", step([3, 4], 0.9))
        dashboard.wait_for_clients(1)
        stage.add("site-b", step([0, 4], 0.5))
        dashboard.wait_for_clients(2)
        ids = [dashboard.start_run(num_rounds=2, synthetic_parameters=2, diagnostics=rule) for rule in
               ("updates", "off")]  # fmt: skip
        for run_id in ids:
            dashboard.wait_for_state(run_id, "completed")
        yield dashboard, ids[0], ids[1]


def test_each_update_has_a_norm_and_a_cosine_to_the_mean_update_of_its_round(
    measured: tuple[Dashboard, int, int],
) -> None:
    dashboard, run_id, plain = measured
    items = dashboard.http.get(f"/api/runs/{run_id}/metrics?phase=train&name=update_norm&name=update_cosine").json()
    points = {(one["round"], one["client_id"], one["name"]): one["value"] for one in items["items"]}
    mean = np.array([1.5, 4.0])
    for round_ in (1, 2):
        for client_id, update in ((1, np.array([3.0, 4.0])), (2, np.array([0.0, 4.0]))):
            norm = float(np.linalg.norm(update))
            assert points[round_, client_id, "update_norm"] == pytest.approx(norm, rel=1e-5)
            cosine = float(update @ mean / norm / np.linalg.norm(mean))
            assert points[round_, client_id, "update_cosine"] == pytest.approx(cosine, rel=1e-5)
        assert points[round_, None, "update_norm"] == pytest.approx(4.5, rel=1e-5)
    lines = dashboard.http.get(f"/api/runs/{run_id}/metrics.csv").text.splitlines()
    assert any(line.startswith("1,train,1,site-a,update_norm,5.0") for line in lines)
    names = {one["name"] for one in dashboard.http.get(f"/api/runs/{plain}/metrics").json()["items"]}
    assert names == {"accuracy", "loss", "loss_before", "loss_after"}


def test_fairness_of_a_round_is_a_curve_with_its_number_of_clients(measured: tuple[Dashboard, int, int]) -> None:
    dashboard, run_id, _ = measured
    query = "metric=accuracy_std&metric=accuracy_worst_10"
    items = dashboard.http.get(f"/api/runs/{run_id}/series?{query}").json()["items"]
    assert [one["mean"] for one in items] == [pytest.approx([0.2] * 3), pytest.approx([0.5] * 3)]
    assert [one["reported_by"] for one in items] == [[2] * 3, [2] * 3]
    assert [one["less_is_better"] for one in items] == [None, False]
    page = get_both(dashboard.http, f"/runs/{run_id}?metric=accuracy_std", "run-page")
    assert "Accuracy, standard deviation over clients" in page.one("section", id="charts").text
    assert "20.0\u202f%" in page.one("section", id="charts").text


def test_the_heatmap_and_the_pages_of_clients_offer_what_was_measured(measured: tuple[Dashboard, int, int]) -> None:
    dashboard, run_id, plain = measured
    page = get_both(dashboard.http, f"/runs/{run_id}?cells=update_norm", "run-page")
    rows = page.one("table", id="heatmap").one("tbody").all("tr")
    assert [cell.text for cell in rows[0].all("td")] == ["5.000"] * 2
    words = [link.text for link in page.one("section", id="by-round").one("nav").all("a")]
    assert words[4:] == ["Update norm", "Cosine to mean", "Loss before training", "Loss after training"]
    other = get_both(dashboard.http, f"/runs/{plain}", "run-page")
    assert "Update norm" not in other.one("section", id="by-round").text
    client = get_both(dashboard.http, "/clients/1", "client-page")
    assert {"Update norm", "Cosine to mean", "Loss before", "Loss after"} <= {
        head.text for head in client.one("section", aria_labelledby="tasks-h").all("th")
    }
    assert "2.500" in client.one("section", aria_labelledby="tasks-h").text
