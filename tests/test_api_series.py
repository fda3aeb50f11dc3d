"""What charts draw, over the API: columns by round, thinned where a run is long; what is no number stays a gap."""

from math import inf, nan

import pytest

from tests.dashboard import Dashboard
from tests.test_pages_runs import finished_run, nan_loss_in_round_1
from webapp.spread import measure
from webapp.thinning import Curve, thin


def test_the_spread_names_the_worst_client_and_passes_over_what_is_no_number() -> None:
    spread = measure("accuracy", {1: 0.5, 2: 0.9, 3: nan, 4: 0.7, 5: None, 6: inf})
    assert spread is not None
    assert (spread.clients, spread.least, spread.most, spread.worst) == (3, 0.5, 0.9, 1)
    assert [spread.low, spread.high] == pytest.approx([0.54, 0.86])
    assert measure("loss", {1: 0.5, 2: 0.9}).worst == 2  # type: ignore[union-attr]
    assert measure("loss", {1: nan}) is None


def test_series_hold_mean_spread_and_chosen_clients_by_round(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=4)
    answer = dashboard.http.get(
        f"/api/runs/{run_id}/series", params={"metric": ["accuracy", "loss"], "clients": [1, 2]}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    accuracy, loss = body["items"]
    assert (body["total"], body["last_round"], body["thinned"]) == (5, 4, False)
    assert accuracy["rounds"] == [0, 1, 2, 3, 4]
    assert loss["mean"] == pytest.approx([1 / (1 + r) for r in range(5)], abs=1e-5)
    assert accuracy["clients"]["1"] == accuracy["mean"] == accuracy["least"] == accuracy["most"]
    assert accuracy["bytes"] == sorted(accuracy["bytes"]) and accuracy["bytes"][-1] > 0
    assert accuracy["seconds"] == sorted(accuracy["seconds"])

    rest = dashboard.http.get(f"/api/runs/{run_id}/series", params={"metric": "accuracy", "after": 2}).json()
    assert rest["items"][0]["rounds"] == [3, 4]
    assert rest["items"][0]["bytes"] == accuracy["bytes"][3:], "bytes count from the run's beginning"
    none = dashboard.http.get(f"/api/runs/{run_id}/series", params={"metric": "accuracy", "after": 4}).json()
    assert (none["total"], none["last_round"], none["items"][0]["rounds"]) == (0, 4, [])
    trained = dashboard.http.get(f"/api/runs/{run_id}/series", params={"metric": "loss", "phase": "train"}).json()
    assert trained["items"][0]["mean"][0] is None, "round 0 trains nobody"


def test_a_value_that_is_no_number_is_null_and_its_kind_is_said(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", nan_loss_in_round_1)
        stage.add("site-b", nan_loss_in_round_1)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
    loss = dashboard.http.get(f"/api/runs/{run_id}/series", params={"metric": "loss"}).json()["items"][0]
    assert (loss["mean"][1], loss["odd"], loss["least"][1]) == (None, {"1": "nan"}, None)


@pytest.mark.parametrize(
    "query",
    ["", "metric=loss&buckets=1", "metric=loss&clients=" + "&clients=".join("123456789"), "metric=loss&phase=x"],
)
def test_what_cannot_be_drawn_is_refused(dashboard: Dashboard, query: str) -> None:
    run_id = dashboard.start_run()
    assert dashboard.http.get(f"/api/runs/{run_id}/series?{query}").status_code == 422
    assert dashboard.http.get("/api/runs/99/series?metric=loss").status_code == 404


def test_rounds_of_an_earlier_release_are_measured_when_they_are_asked_for(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=2)
    address = f"/api/runs/{run_id}/series?metric=accuracy"
    before = dashboard.http.get(address).json()
    with dashboard.parts.database.write() as session:
        from sqlalchemy import null, update

        from webapp.tables import Round

        session.execute(update(Round).values(spread=null()))
    assert dashboard.http.get(address).json() == before


def test_a_long_curve_keeps_its_extremes_its_ends_and_its_gaps() -> None:
    rounds = list(range(10_001))
    mean: list[float | None] = [0.5 + (r % 7) / 100 for r in rounds]
    mean[5000], mean[7777], mean[3333] = 0.99, 0.01, None
    least, low, high, most = ([v and v + by for v in mean] for by in (-0.2, -0.1, 0.1, 0.2))
    curve = Curve(
        "accuracy", rounds, [float(r) for r in rounds], rounds, mean, {3333: "nan"}, least, low, high, most, {3: mean}
    )
    short = thin(curve, 1000)
    assert len(short.rounds) <= 2002
    assert {0, 10_000, 5000, 7777, 3333} <= set(short.rounds)
    assert short.odd == {3333: "nan"}
    assert (max(v for v in short.mean if v is not None), short.clients[3]) == (0.99, short.mean)
    assert min(v for v in short.least if v is not None) == pytest.approx(-0.19)
    assert short.seconds == [float(r) for r in short.rounds]
