"""Runs side by side: results, settings that differ, and an address that holds it all."""

import itertools
import json
from pathlib import Path

import pytest

from benchmarks.long_run import make_long_run
from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, finished_run, running
from tests.support.light_client import Answer, honest
from tests.support.markup import Element, get_both, get_page
from webapp.db.repository.runs import set_values
from webapp.db.tables import Run
from webapp.pages.comparison.colours import slots_of
from webapp.pages.measure import measure_of
from webapp.pages.runs.charts import titles_of


def row_of(page: Element, run_id: int) -> list[str]:
    return [cell.text for cell in page.one("tr", id=f"compared-{run_id}").all("td")]


def test_runs_are_compared_in_the_order_of_choice(dashboard: Dashboard) -> None:
    short = finished_run(dashboard, name="Short", num_rounds=2)
    long = finished_run(dashboard, name="Long", num_rounds=8, seed=9)
    page = get_both(dashboard.http, f"/runs/compare?id={long}&id={short}&id={long}&target=70", "compare-page")

    assert page.one("h1").text == "Compare 2 runs"
    assert [row["id"] for row in page.all("tr") if "id" in row] == [f"compared-{long}", f"compared-{short}"]
    assert page.one("tr", id=f"compared-{long}").one("svg")["class"] == "swatch k2"
    best, last, worst, clients, rounds, *_ = row_of(page, long)
    assert (best, last, worst, rounds) == ("90.0\u202f% in 8", "90.0\u202f%", "90.0\u202f%", "2")
    assert (clients, row_of(page, short)[4]) == ("2 clients, 20 samples", "2")
    assert "Values: mean of the clients, no data, computed values." in page.text
    marked = page.one("tr", id=f"compared-{long}").all("td", class_="best")
    assert len(marked) >= 4
    settings = page.one("section", aria_labelledby="settings-h")
    assert [row.text for row in settings.one("tbody").all("th")] == ["Rounds", "Seed"]
    assert page.one("code", id="link").text.endswith(f"/runs/compare?id={long}&id={short}&target=70")
    values = page.one("details").one("tbody").all("tr")
    assert len(values) == 9
    assert [cell.text for cell in values[-1].all("td")][2:] == ["–", "–"], "the short run has no round 8"
    assert page.all("meadow-compare")[0]["metric"] == "accuracy"


def scores_f1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.metrics = answer.metrics and {**answer.metrics, "f1": 0.25 * task.round}
    return answer


def test_any_metric_of_a_run_may_be_compared_in_evaluation_and_in_training(dashboard: Dashboard) -> None:
    plain = finished_run(dashboard, num_rounds=1)
    with dashboard.stage() as stage:
        stage.add("site-a", scores_f1)
        stage.add("site-b", scores_f1)
        dashboard.wait_for_clients(2)
        scored = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(scored, "completed")
    runs = f"/runs/compare?id={scored}&id={plain}"
    page = get_page(dashboard.http, runs)
    assert [chart["metric"] for chart in page.all("meadow-compare")] == ["accuracy", "loss"]
    assert [one["value"] for one in page.one("select", id="metric").all("option")] == ["accuracy", "loss", "f1"]
    assert page.one("section", id="charts")["data-compared"] == json.dumps(
        [{"id": run_id, "name": dashboard.run(run_id)["name"], "slot": run_id} for run_id in (scored, plain)]
    )

    asked = f"{runs}&x=time&scale=log&smooth=30&from=0.123456789&to=1234567.8&phase=train&metric=f1&target=70.12345678"
    page = get_page(dashboard.http, asked)
    assert page.one("code", id="link").text.endswith(asked), "the link holds every choice"
    assert [chart.one("h2").text for chart in page.all("meadow-compare")] == [
        f"{title}, training mean of clients; each client's training data" for title in ("Accuracy", "Loss", "f1")
    ]
    assert [chart["phase"] for chart in page.all("meadow-compare")] == ["train"] * 3
    assert page.all("meadow-compare")[2].one("p", class_="readout").text == f"last: #{scored} 0.500, #{plain} –"
    values = page.one("details", id="compare-values")
    assert [head.text for head in values.all("th", class_="num")][2:4] == [f"#{scored} f1", f"#{plain} accuracy"]
    assert [cell.text for cell in values.one("tbody").all("tr")[2].all("td")][2] == "0.500"
    checked = {one["value"] for one in page.one("form", data_part="toolbar").all("input") if "checked" in one}
    assert checked == {"time", "log"}
    assert [one["value"] for one in page.all("option") if "selected" in one] == ["train", "f1"]


def test_results_are_told_in_the_metric_that_was_asked_for(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", scores_f1)
        stage.add("site-b", scores_f1)
        dashboard.wait_for_clients(2)
        ids = [dashboard.start_run(num_rounds=rounds) for rounds in (4, 2)]
        for run_id in ids:
            dashboard.wait_for_state(run_id, "completed")
    runs = f"/runs/compare?id={ids[0]}&id={ids[1]}"

    page = get_page(dashboard.http, f"{runs}&metric=f1&target=0.5")
    assert [head.text for head in page.one("section", aria_labelledby="results-h").all("th")][1:6] == [
        "Best f1", "Last", "Worst client", "Measured by", "Rounds to 0.500",
    ]  # fmt: skip
    assert row_of(page, ids[0])[:5] == ["1.000 in 4", "1.000", "1.000", "2 clients, 20 samples", "2"]
    assert row_of(page, ids[1])[:5] == ["0.500 in 2", "0.500", "0.500", "2 clients, 20 samples", "2"]
    section = page.one("section", id="charts")
    assert (section["data-measure"], section["data-target"]) == ("f1", "0.5")
    assert f"Highest f1: #{ids[0]}, 1.000." in page.text

    page = get_page(dashboard.http, f"{runs}&metric=loss")
    losses = [dashboard.run(run_id)["best_metrics"]["evaluate_loss"]["value"] for run_id in ids]
    assert losses[0] < losses[1], "the longer run gets lower"
    marked = page.one("tr", id=f"compared-{ids[0]}").all("td", class_="best")[0]
    assert marked.text.startswith(f"{losses[0]:.3f}")
    assert f"Lowest loss: #{ids[0]}, " in page.text

    said = dashboard.http.get(f"/api{runs}&metric=loss").json()
    assert (said["metric"], said["phase"]) == ("loss", "evaluate")
    assert said["target"] == float(f"{losses[0] * 1.1:.3g}")
    assert [one["best"]["value"] for one in said["items"]] == losses
    reached = said["items"][0]["reached"]["round"]
    assert said["items"][0]["steps"][reached]["loss"] <= said["target"] < said["items"][0]["steps"][reached - 1]["loss"]
    for query, status in (("target=2", 422), ("metric=loss&target=2", 200), ("metric=none&target=1", 200)):
        assert dashboard.http.get(f"/api{runs}&{query}").status_code == status, query


def keeps_accuracy_to_itself(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.metrics = answer.metrics and {k: v for k, v in answer.metrics.items() if k != "accuracy"}
    return answer


def test_runs_without_an_accuracy_are_compared_by_their_loss(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, keeps_accuracy_to_itself, num_rounds=3)
    page = get_page(dashboard.http, f"/runs/compare?id={run_id}&target=0.2")
    assert "Best loss" in page.text and "Rounds to 0.200" in page.text
    assert [one["value"] for one in page.one("select", id="metric").all("option")] == ["accuracy", "loss"]
    assert dashboard.http.get(f"/api/runs/compare?id={run_id}").json()["metric"] == "loss"
    for path in (f"/runs/{run_id}", "/"):
        charts = get_page(dashboard.http, path).all("meadow-chart")
        assert [chart["metric"] for chart in charts] == ["loss"] and "in round 3" in charts[0].text


@pytest.mark.parametrize(("reported", "charts", "more", "measure"), [
    ([], ["accuracy", "loss"], [], "accuracy"),
    (["train_loss"], ["accuracy", "loss"], [], "accuracy"),
    (["evaluate_f1", "evaluate_loss"], ["loss"], ["f1"], "loss"),
    (["evaluate_dice", "evaluate_auc", "train_loss"], ["auc"], ["dice"], "auc"),
])  # fmt: skip
def test_pages_open_on_a_metric_that_the_run_has(
    reported: list[str], charts: list[str], more: list[str], measure: str
) -> None:
    run = Run(last_metrics=dict.fromkeys(reported, 0.5), best_metrics={}, config={})
    titles, others = titles_of([run], "evaluate", "")
    assert (list(titles), others, measure_of([run], "evaluate", "").name) == (charts, more, measure)


def test_without_a_target_it_is_nine_tenths_of_the_best(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=8)
    page = get_page(dashboard.http, f"/runs/compare?id={run_id}")
    assert "Rounds to 81.0\u202f%" in page.text
    said = dashboard.http.get(f"/api/runs/compare?id={run_id}").json()
    assert said["target"] == 0.81
    assert said["items"][0]["reached"]["round"] == 4
    steps = said["items"][0]["steps"]
    assert [step["round"] for step in steps] == list(range(9))
    assert all(a["bytes"] < b["bytes"] and a["seconds"] < b["seconds"] for a, b in itertools.pairwise(steps))


@pytest.mark.parametrize("asked", ["", "?x=nonsense&target=abc&smooth=999&from=9&to=1", "?target=-1"])
def test_an_address_that_asks_for_little_teaches_the_next_step(dashboard: Dashboard, asked: str) -> None:
    page = get_both(dashboard.http, f"/runs/compare{asked}", "compare-page")
    assert page.one("h1").text == "No runs selected"
    assert page.one("a", class_="button")["href"] == "/runs"


def test_what_is_missing_or_too_much_is_said(dashboard: Dashboard) -> None:
    ids = [dashboard.start_run(name=f"Run {number}") for number in range(9)]
    page = get_page(dashboard.http, "/runs/compare?id=99&" + "&".join(f"id={run_id}" for run_id in ids))
    assert page.one("h1").text == "Compare 8 runs"
    assert "Showing 8 of 9 selected runs" in page.text
    assert "Not found: #99" in page.text
    assert dashboard.http.get("/api/runs/compare?id=99").status_code == 404
    assert dashboard.http.get("/api/runs/compare").status_code == 422


def test_long_runs_are_downsampled_but_for_their_sums(tmp_path: Path) -> None:
    make_long_run(tmp_path / "data", 1600, 1)
    with running(tmp_path) as dashboard:
        best = {"evaluate_f1": {"round": 777, "value": 0.9}, "train_f1": {"round": 779, "value": 0.9}}
        with dashboard.parts.database.write() as session:
            set_values(session, 1, best_metrics=best)
        (run,) = dashboard.http.get("/api/runs/compare?id=1").json()["items"]
        whole = dashboard.http.get("/api/runs/1/series?metric=accuracy&metric=loss").json()["items"]
        page = get_page(dashboard.http, "/runs/compare?id=1")
    rounds = [step["round"] for step in run["steps"]]
    assert len(rounds) < 1300
    assert {0, 777, 1600} <= set(rounds)
    accuracy, loss = (dict(zip(one["rounds"], one["mean"], strict=True)) for one in whole)
    for first in range(0, 1599, 3):
        bucket = range(first, first + 3)
        assert {min(bucket, key=accuracy.__getitem__), max(bucket, key=accuracy.__getitem__)} <= set(rounds)
    assert [step["accuracy"] for step in run["steps"]] == pytest.approx([accuracy[r] for r in rounds], abs=1e-5)
    assert [step["loss"] for step in run["steps"]] == pytest.approx([loss[r] for r in rounds], abs=1e-5)
    assert [step["seconds"] for step in run["steps"]] == pytest.approx([2.0 * (r + 1) for r in rounds])
    assert [step["bytes"] for step in run["steps"]] == [2_000_000 * (r + 1) for r in rounds]
    rows = [row.one("th").text for row in page.one("details", id="compare-values").one("tbody").all("tr")]
    assert rows == [*map(str, range(0, 1600, 27)), "1600"]


def test_a_run_has_the_colour_of_its_number_whatever_else_is_compared() -> None:
    assert slots_of([3, 1, 2]) == {1: 1, 2: 2, 3: 3}
    assert slots_of([11, 3, 4]) == {3: 3, 4: 4, 11: 5}, "a later run with the same colour has the next free one"
    assert sorted(slots_of([8, 16, 24, 32, 40, 48, 56, 64]).values()) == list(range(1, 9))
