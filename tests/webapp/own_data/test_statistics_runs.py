"""Statistics runs: one question in common bins, results in API, CSV and pages, and who is not part of them."""

import csv
import io

import numpy as np
import pytest

from federation.learning.data.own.options import Sharing
from federation.learning.data.own.summaries import histogram
from federation.protocol.messages import Task
from federation.schema.statistics import StatisticsQuestion
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, named
from tests.support.light_client import Answer, Answering, Stage
from tests.support.markup import get_both, get_page
from tests.support.schemas import table
from tests.webapp.own_data.hospitals import AGES, hospitals, join

VALUES = dict(zip(("north", "south", "west"), AGES, strict=True))


def counting(name: str) -> Answering:
    """Answer as a client that counts its own rows."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        question = StatisticsQuestion.model_validate_json(task.config["statistics"])
        counts = histogram(VALUES[name], question.bins["age"], Sharing(True, 10))
        return Answer(metrics={}, num_examples=None, data={"statistics": {"age": counts}})

    return answer


def earlier(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer as a client of a release that knows no statistics run."""
    return Answer(metrics={}, num_examples=None, data={"samples": 3})


@pytest.fixture
def run_id(dashboard: Dashboard, stage: Stage) -> int:
    """A completed run of three hospitals, one of an earlier release, and one that shares nothing."""
    for name, schema in hospitals().items():
        stage.add(name, counting(name), dataset="wards", schema=schema)
        dashboard.wait_for_clients(len(stage.clients))
    stage.add("old", earlier, dataset="wards", schema=table({"age": AGES[0]}))
    dashboard.wait_for_clients(4)
    stage.add("silent", dataset="wards", schema=table({"age": None}))
    dashboard.wait_for_clients(5)
    sent = {"kind": "statistics", "dataset": "wards", "min_clients": "4"}
    made = int(dashboard.http.post("/runs", data=sent).headers["location"].rsplit("/", 1)[1])
    dashboard.wait_for_state(made, "completed")
    return made


def test_a_statistics_run_asks_once_in_common_bins_and_names_who_is_silent(
    dashboard: Dashboard, stage: Stage, run_id: int
) -> None:
    run = dashboard.run(run_id)
    assert (run["kind"], run["num_rounds"], run["name"]) == ("statistics", 0, "Statistics of wards")
    assert [len(client.tasks) for client in stage.clients] == [1, 1, 1, 1, 0]
    http = dashboard.http
    found = http.get(f"/api/runs/{run_id}/statistics").json()
    assert (found["clients"], found["silent"]) == (["north", "south", "west"], ["old", "silent"])
    age = next(one for one in found["histograms"] if one["name"] == "age")
    assert [row["client"] for row in age["rows"]] == ["all clients", "north", "south", "west"]
    for place, count in enumerate(np.histogram(np.concatenate(AGES), [-np.inf, *age["edges"], np.inf])[0]):
        told = [row["counts"][place] for row in age["rows"]]
        assert told[0] == sum(filter(None, told[1:])) and age["withheld"][place] == told.count(None)
        assert told[0] == count or age["withheld"][place], "where every client tells its rows the sum is numpy's"
    numbers = next(one["numbers"] for one in found["columns"] if one["name"] == "age")
    assert numbers[0]["mean"] == pytest.approx(np.concatenate(AGES).mean(), rel=1e-9)
    lines = list(csv.DictReader(io.StringIO(http.get(f"/api/runs/{run_id}/statistics.csv").text)))
    bins = [one for one in lines if (one["column"], one["kind"], one["client"]) == ("age", "bin", "all clients")]
    assert [int(one["count"]) for one in bins] == age["rows"][0]["counts"] and bins[1]["from"] == str(age["edges"][0])
    page = get_both(http, f"/runs/{run_id}", "run-page")
    assert "Statistics completed" in page.text and "old and silent" in page.one("section", id="statistics").text
    assert "old failed while preparing: answers without statistics" in page.text
    pictures = page.one("section", id="statistics").all("svg", class_="histogram")
    assert (pictures[0]["aria-label"] or "").startswith("age, all clients: most rows, ")
    for path in ("/", "/runs", f"/runs/new?from={run_id}", f"/runs/compare?id={run_id}", "/data/wards"):
        get_page(http, path)
    assert named(http.get(f"/api/runs/{run_id}/export"), 409) == set()
    assert named(http.post(f"/api/runs/{run_id}/rounds", json={"add": 1}), 409) == set()

    wrong: list[dict[str, object]] = [
        {"dataset": "digits"}, {"dataset": "wards", "evaluated_run": 1}, {"dataset": "wards", "network": "app"},
    ]  # fmt: skip
    for one in wrong:
        named(http.post("/api/runs", json={"kind": "statistics", **one}), 422)


def test_a_statistics_run_without_shared_statistics_fails_with_what_to_do(dashboard: Dashboard, stage: Stage) -> None:
    join(dashboard, stage, "quiet", one=table({"age": None}))
    body = {"kind": "statistics", "dataset": "quiet", "min_clients": 1}
    run = dashboard.wait_for_state(dashboard.http.post("/api/runs", json=body).json()["id"], "failed")
    assert run["reason"] == "no client shares statistics: start clients with --share-statistics"
    assert stage.clients[0].tasks == []
