"""What charts draw, over the API: columns by round, downsampled where a run is long; null where not finite."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import null, update

from benchmarks.long_run import let_it_run, make_long_run
from federation.run.metric_goals import MetricGoals
from tests.support.answers import nan_loss_in_round_1
from tests.support.books import Books, done, reply
from tests.support.dashboard import Dashboard, finished_run, running
from tests.support.series import make_series
from webapp.charts.downsampling import downsample
from webapp.db.repository.runs import set_values
from webapp.db.repository.series import read_series
from webapp.db.spread import Spread, spread_of
from webapp.db.tables import Round

COLUMNS = ("seconds", "work", "bytes", "mean", "least", "low", "high", "most")


def test_the_spread_names_the_worst_client_and_passes_over_what_is_no_number() -> None:
    spread = spread_of("accuracy", {1: 0.5, 2: 0.9, 3: nan, 4: 0.7, 5: None, 6: inf}, MetricGoals())
    assert spread is not None and spread[:6] == pytest.approx((3, 0.5, 0.54, 0.86, 0.9, 1))
    of_loss = spread_of("loss", {1: 0.5, 2: 0.9}, MetricGoals())
    assert of_loss is not None and of_loss.worst == 2
    assert spread_of("loss", {1: nan}, MetricGoals()) is None
    far = spread_of("loss", {1: -1.7e308, 2: 1.7e308}, MetricGoals())
    assert far is not None and far.p10 == pytest.approx(-1.36e308), "no edge of finite values is infinite"


def test_of_equally_bad_clients_the_worst_is_the_same_in_whatever_order_they_replied() -> None:
    worst = [spread_of("accuracy", dict.fromkeys(order, 0.5), MetricGoals()) for order in ([3, 1, 2], [2, 3, 1])]
    assert [one and one.worst for one in worst] == [1, 1]


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
    assert rest["items"][0]["work"] == pytest.approx(accuracy["work"][3:], rel=1e-5)
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


def test_rounds_of_an_earlier_release_are_measured_when_they_are_read(tmp_path: Path) -> None:
    address = "/api/runs/1/series?metric=accuracy"
    with running(tmp_path) as dashboard:
        finished_run(dashboard, num_rounds=2)
        before = dashboard.http.get(address).json()
        with dashboard.parts.database.write() as session:
            session.execute(update(Round).values(spread=null()))
    assert before["items"][0]["least"] == before["items"][0]["mean"] != [None] * 3
    before["items"][0]["samples"] = [None] * 3  # not known afterwards
    with running(tmp_path) as dashboard:
        assert dashboard.http.get(address).json() == before


def test_a_spread_that_an_earlier_release_stored_is_read(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path)
    run_id = books.start_run()
    books.play_round(run_id, 0, books.add_clients("a", "b"), loss=1.0)
    with books.database.write() as session:
        session.execute(update(Round).values(spread={"evaluate_loss": [2, 1.0, 1.0, 1.0, 1.0, 1]}))
    books.play_round(run_id, 1, [1], loss=1.0)
    with books.database.read() as session:
        series = read_series(session, run_id, "evaluate", "loss")
    assert series.spread_in(0) == Spread(2, 1.0, 1.0, 1.0, 1.0, 1) and (series.spread_in(1) or ())[:1] == (1,)
    assert series["samples"].tolist() == [0, 10]
    books.close()


def test_a_series_that_the_browser_has_is_not_sent_again(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=2)

    def ask(query: str, etag: str = "") -> httpx.Response:
        headers = {"If-None-Match": etag} if etag else {}
        return dashboard.http.get(f"/api/runs/{run_id}/series?metric=loss{query}", headers=headers)

    whole, first = ask(""), ask("&last=1")
    assert whole.headers["cache-control"] == "private, no-cache"
    again = ask("", whole.headers["etag"])
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert ask("&last=1", whole.headers["etag"]).status_code == 200
    with dashboard.parts.database.write() as session:
        let_it_run(session, run_id)
    dashboard.parts.runs.record(done(run_id, 3, loss=0.125))
    grown = ask("", whole.headers["etag"])
    assert grown.status_code == 200 and grown.json()["last_round"] == 3
    assert ask("&last=1", first.headers["etag"]).status_code == 304, "committed rounds never change"


def test_downsampling_keeps_the_extremes_the_ends_and_a_round_that_is_not_finite() -> None:
    mean = [0.5 + (r % 7) / 100 for r in range(10_001)]
    mean[5000], mean[7777], mean[3333] = 0.99, 0.01, nan
    low = [value - 0.2 for value in mean]
    low[6123] = 0.0002  # in a round whose mean is no extreme: 0.55 of 0.50 to 0.56
    series = make_series(mean, {3333: "nan"}, min=low, max=[value + 0.2 for value in mean])
    kept = downsample(series, slice(0, len(mean)), 10, keep=(4444,))
    rounds = kept.positions.tolist()
    assert len(rounds) <= 2005
    assert {0, 10_000, 5000, 7777, 3333, 4444} <= set(rounds)
    assert rounds == sorted(rounds)
    assert kept.min[(kept.positions >= 6120) & (kept.positions < 6130)].tolist() == [0.0002, 0.0002], "of the bucket"
    at = rounds.index(5000)
    assert [kept.min[at], kept.max[at]] == pytest.approx([0.3, 1.19])
    assert downsample(series, slice(0, len(mean)), 1).positions.tolist() == list(range(10_001))


def test_the_first_of_equal_extremes_is_kept_and_a_window_has_buckets_of_its_own() -> None:
    mean = [nan, nan, 0.5, 0.7, 0.7, 0.5, nan, nan]
    series = make_series(mean, min=mean, max=mean)
    assert downsample(series, slice(2, 6), 4).positions.tolist() == [2, 3, 5]
    nothing = downsample(series, slice(6, 8), 2)
    assert nothing.positions.tolist() == [6, 7] and np.isnan(nothing.min).all()
    assert downsample(series, slice(8, 8), 4).positions.tolist() == []


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose run 1 has 4,200 rounds."""
    folder = tmp_path_factory.mktemp("long")
    make_long_run(folder / "data", 4200, 2)
    with running(folder) as dashboard:
        yield dashboard


def test_a_long_run_is_downsampled_and_a_window_of_it_has_all_rounds(long: Dashboard) -> None:
    def ask(**query: object) -> dict[str, Any]:
        asked: Any = {"metric": "accuracy", "clients": 2, **query}
        return dict(long.http.get("/api/runs/1/series", params=asked).json())

    whole = ask()
    assert (whole["thinned"], whole["total"], whole["last_round"]) == (True, 4201, 4200)
    overview = whole["items"][0]
    assert 1000 < len(overview["rounds"]) < 2010
    assert {len(column) for column in (*overview["clients"].values(), *map(overview.get, COLUMNS))} == {
        len(overview["rounds"])
    }

    fine = ask(after=999, last=1999)
    assert (fine["thinned"], fine["total"], fine["last_round"]) == (False, 1000, 1999)
    window = fine["items"][0]
    assert window["rounds"] == list(range(1000, 2000))
    both = [r for r in overview["rounds"] if 1000 <= r < 2000]
    assert len(both) > 300
    for name in ("seconds", "work", "bytes", "mean"):
        exact = dict(zip(window["rounds"], window[name], strict=True))
        drawn = dict(zip(overview["rounds"], overview[name], strict=True))
        assert [exact[r] for r in both] == [drawn[r] for r in both], f"{name} of a round is the same in both"
    assert window["clients"]["2"] != window["mean"]

    with long.parts.database.write() as session:
        let_it_run(session, 1)
    long.parts.runs.record(replace(reply(1, 4201, 2, "evaluate", accuracy=0.125), round=4201))
    long.parts.runs.record(done(1, 4201, accuracy=0.25))
    again = ask()
    grown = again["items"][0]
    assert (again["total"], again["last_round"], again["thinned"]) == (4202, 4201, True)
    assert grown["rounds"] == [*overview["rounds"], 4201], "what was drawn stays as it is, what came since is behind it"
    for name in COLUMNS:
        of_bucket = name in ("least", "most")  # the last bucket has one more round
        assert grown[name][: -2 if of_bucket else -1] == overview[name][: -1 if of_bucket else None], name
    assert (grown["mean"][-1], grown["least"][-1], grown["clients"]["2"][-1]) == (0.25, 0.125, 0.125)
    assert grown["bytes"][-1] > overview["bytes"][-1]

    best = next(r for r in range(1000, 2000) if r not in overview["rounds"])
    with long.parts.database.write() as session:
        set_values(session, 1, best_metrics={"evaluate_accuracy": {"round": best, "value": 0.6}})
    assert set(ask()["items"][0]["rounds"]) == {*grown["rounds"], best}

    half = ask(last=4100, buckets=10)
    assert (half["thinned"], len(half["items"][0]["rounds"])) == (True, 23)
    assert ask(after=4199)["items"][0]["rounds"] == [4200, 4201], "what is new is never thinned"
