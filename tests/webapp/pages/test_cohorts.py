"""What a value is over: how many clients and samples, on which data, and in which rounds the clients change."""

import csv
import json
from collections.abc import Mapping
from math import nan

import pytest

from federation.learning.evaluation_data import evaluated_on
from federation.run.config import RunConfig
from tests.support.books import done, reply
from tests.support.dashboard import Dashboard
from tests.support.markup import Element, get_page
from tests.support.series import make_series
from tests.webapp.routes.api.test_metrics import add_client, add_run
from webapp.charts.cohorts import cohort_of
from webapp.db.repository.runs import set_values
from webapp.pages.runs.charts import cohort_words
from webapp.pages.start.fields import config_lines

HELD_OUT = "20% held out of each client's own partition of digits (IID)"


def play(dashboard: Dashboard, run_id: int, number: int, accuracies: Mapping[int, float]) -> None:
    """Record a round in which these clients evaluate, with ten samples each."""
    record = dashboard.parts.runs.record
    for client_id, accuracy in accuracies.items():
        record(reply(run_id, number, client_id, "evaluate", accuracy=accuracy))
        if number:
            record(reply(run_id, number, client_id, "train", accuracy=accuracy))
    record(done(run_id, number, accuracy=sum(accuracies.values()) / len(accuracies)))


@pytest.fixture
def lossy(dashboard: Dashboard) -> Dashboard:
    """A dashboard with run 1, whose worst client, site-b, is lost in round 3."""
    run_id = add_run(dashboard)
    a, b, c = (add_client(dashboard, name) for name in ("site-a", "site-b", "site-c"))
    for number in range(3):
        play(dashboard, run_id, number, {a: 0.9, b: 0.6 + number / 100, c: 0.95})
    for number in (3, 4):
        play(dashboard, run_id, number, {a: 0.96, c: 0.97 + number / 1000})
    return dashboard


def accuracy_chart(dashboard: Dashboard) -> Element:
    return get_page(dashboard.http, "/runs/1").one("meadow-chart", metric="accuracy")


def test_a_chart_says_how_many_clients_its_values_are_over_and_since_when(lossy: Dashboard) -> None:
    chart = accuracy_chart(lossy)
    assert chart.one("small", data_part="basis").text == f"2 of 3 clients since round 3, 20 samples; {HELD_OUT}"
    assert chart.one("span", data_part="best").text.endswith("in round 4, 2 of 3 clients")
    heads = [head.text for head in chart.one("thead").all("th")]
    rows = [[cell.text for cell in row.all("td")] for row in chart.one("tbody").all("tr")]
    assert heads[-2:] == ["Clients", "Samples"]
    assert [row[-2:] for row in rows] == [["3", "30"]] * 3 + [["2", "20"]] * 2
    page = get_page(lossy.http, "/runs/1")
    notes = json.loads(page.one("data", id="run-marks")["data-notes"] or "")
    assert notes["evaluate_accuracy"]["changes"] == [3]
    issues = {row["id"]: row.all("td")[-1].text for row in page.one("section", id="rounds").one("tbody").all("tr")}
    assert issues["round-3"] == "evaluated without site-b" and issues["round-4"] == issues["round-2"] == ""


def test_a_lost_client_keeps_its_row_and_the_value_that_it_had(lossy: Dashboard) -> None:
    for path in ("/runs/1", "/"):
        row = get_page(lossy.http, path).one("li", id="client-now-2")
        assert "Offline, last in round 2" in row.text
        assert row.one("span", class_="acc").text == "accuracy in round 2 62.0\u202f%"


def test_the_best_model_says_that_not_all_clients_evaluated_it(lossy: Dashboard) -> None:
    with lossy.parts.database.write() as session:
        set_values(session, 1, best_metrics={"evaluate_accuracy": {"round": 3, "value": 0.97, "clients": 2}})
    folder = lossy.parts.settings.runs_dir / "1"
    folder.mkdir(parents=True, exist_ok=True)
    for number in (3, 4):
        (folder / f"round-{number}.bin").write_bytes(b"")
    links = [link.text for link in get_page(lossy.http, "/runs/1").one("section", id="configuration").all("a")]
    assert "Best model, round 3, 2 of 3 clients" in links


def test_the_api_and_csv_say_the_same(lossy: Dashboard) -> None:
    series = lossy.http.get("/api/runs/1/series?metric=accuracy").json()["items"][0]
    assert (series["reported_by"], series["samples"]) == ([3, 3, 3, 2, 2], [30, 30, 30, 20, 20])
    assert series["data"] == lossy.run(1)["evaluated_on"] == HELD_OUT
    assert lossy.run(1)["best_metrics"]["evaluate_accuracy"]["clients"] == 2
    rounds = lossy.http.get("/api/runs/1/rounds").json()["items"]
    assert [one["samples"].get("evaluate") for one in rounds] == [30, 30, 30, 20, 20]
    rows = list(csv.DictReader(lossy.http.get("/api/runs/1/metrics.csv").text.splitlines()))
    last = [row for row in rows if (row["round"], row["phase"]) == ("4", "evaluate")]
    assert [(row["client"], row["clients"], row["samples"]) for row in last] == [
        ("", "2", "20"), ("site-a", "1", "10"), ("site-c", "1", "10"),
    ]  # fmt: skip
    assert {(row["phase"], row["data"]) for row in rows} == {
        ("evaluate", HELD_OUT), ("train", "each client's training data"),
    }  # fmt: skip


@pytest.mark.parametrize(("config", "data"), [
    (RunConfig(partitioner="dirichlet", dirichlet_alpha=0.3),
     "20% held out of each client's own partition of digits (Dirichlet α 0.3)"),
    (RunConfig(dataset="mnist"), "an even part of the mnist test split per client"),
    (RunConfig(network="synthetic"), "no data, computed values"),
    (RunConfig(network="custom", initial_weights="0" * 64), "data that each client's own app chooses"),
])  # fmt: skip
def test_a_run_says_what_it_evaluates_on(config: RunConfig, data: str) -> None:
    lines = {line.label: line.text for line in config_lines(config.stored(), {})}
    assert lines["Evaluated on"] == data == evaluated_on(config.stored())


@pytest.mark.parametrize(("cohorts", "clients", "words", "changes"), [
    ([7, 7, 7], [3, 3, 3], "3 clients, 30 samples", []),
    ([7, 7, 9], [2, 2, 3], "3 clients since round 2, 30 samples", [2]),
    ([7, 8, 8], [3, 3, 3], "3 clients since round 1, 30 samples", [1]),
    ([0, 0, 8], [3, 3, 3], "3 clients, 30 samples", []),
    ([0, 0, 8], [3, 3, 2], "2 of 3 clients since round 2, 30 samples", [2]),
    (list(range(1, 41)), [5] * 40, "5 clients per round, 30 samples in the last", list(range(1, 40))),
    (list(range(1, 41)), [4, 5] * 20, "4 to 5 clients per round, 30 samples in the last", list(range(1, 40))),
])  # fmt: skip
def test_clients_in_words(cohorts: list[int], clients: list[int], words: str, changes: list[int]) -> None:
    some = [0.5] * len(cohorts)
    cohort = cohort_of(make_series(some, clients=clients, cohort=cohorts, samples=[30] * len(cohorts)))
    assert cohort is not None and (cohort_words(cohort), cohort.changes) == (words, changes)


def test_rounds_without_a_value_are_no_change_of_clients() -> None:
    clients, ids, samples = ([number, nan, number, nan] for number in (2, 7, 9))
    cohort = cohort_of(make_series([0.5, nan, 0.5, nan], clients=clients, cohort=ids, samples=samples))
    assert cohort is not None and (cohort_words(cohort), cohort.changes) == ("2 clients, 9 samples", [])
    assert cohort_of(make_series([])) is None
