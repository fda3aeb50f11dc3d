"""Metric points over the REST API: what is new, filters, values that are not finite, and CSV."""

import codecs
import csv
import io
from math import inf, nan
from typing import Any

import pytest

from federation.run.config import RunConfig
from federation.run.states import RunState
from tests.support.books import done, reply
from tests.support.dashboard import Dashboard
from webapp.db.repository.clients import insert_client


def add_client(dashboard: Dashboard, name: str) -> int:
    said = {"state": "admitted", "kind": "client", "lane": "stream", "facts": {}, "versions": {}}
    said |= {"data": {"dataset": "digits"}}
    with dashboard.parts.database.write() as session:
        return insert_client(session, f"key of {name}", {"name": name, "left_out": False, **said})


def add_run(dashboard: Dashboard) -> int:
    """Make a run that is running without anyone who works on it."""
    config = RunConfig(seed=7)
    dashboard.parts.supervisor.shutdown()
    run_id = dashboard.parts.runs.create(config).id
    for state in (RunState.WAITING, RunState.RUNNING):
        assert dashboard.parts.runs.move(run_id, state)
    return run_id


def play(dashboard: Dashboard, run_id: int, number: int, client_ids: list[int], **metrics: float) -> None:
    for client_id in client_ids:
        dashboard.parts.runs.record(reply(run_id, number, client_id, **metrics))  # type: ignore[arg-type]
    dashboard.parts.runs.record(done(run_id, number, **metrics))  # type: ignore[arg-type]


def points(dashboard: Dashboard, run_id: int, **query: Any) -> tuple[list[dict[str, Any]], int]:
    answer = dashboard.http.get(f"/api/runs/{run_id}/metrics", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], answer.json()["last_id"]


def test_a_page_that_asks_after_its_last_id_gets_each_point_once(dashboard: Dashboard) -> None:
    run_id, a = add_run(dashboard), add_client(dashboard, "site-a")
    seen: list[int] = []
    last_id = 0
    for number in range(3):
        play(dashboard, run_id, number, [a], loss=1.0, accuracy=0.5)
        items, last_id = points(dashboard, run_id, since_id=last_id)
        assert {item["round"] for item in items} == {number}
        seen += [item["id"] for item in items]
    assert seen == sorted(set(seen))
    assert points(dashboard, run_id, since_id=last_id) == ([], last_id)
    assert [item["id"] for item in points(dashboard, run_id)[0]] == seen
    first, middle = points(dashboard, run_id, limit=2)
    assert [item["id"] for item in first + points(dashboard, run_id, since_id=middle)[0]] == seen


def test_points_are_chosen_by_name_phase_and_client(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    a, b = add_client(dashboard, "site-a"), add_client(dashboard, "site-b")
    play(dashboard, run_id, 1, [a, b], loss=1.0, accuracy=0.5)

    def whose(**query: Any) -> set[tuple[Any, str, str]]:
        return {(item["client_id"], item["phase"], item["name"]) for item in points(dashboard, run_id, **query)[0]}

    assert whose(client_id="aggregate", name="loss") == {(None, "train", "loss"), (None, "evaluate", "loss")}
    assert whose(client_id=[a, "aggregate"], phase="train", name="accuracy") == {
        (a, "train", "accuracy"), (None, "train", "accuracy")
    }  # fmt: skip
    assert whose(client_id=b) == {(b, "train", "loss"), (b, "train", "accuracy")}
    assert whose(name=["loss", "nothing"], client_id=[a, b]) == {(a, "train", "loss"), (b, "train", "loss")}
    assert whose(client_id=999) == set()


def test_a_value_that_is_not_finite_is_null_with_its_kind_and_a_word_in_csv(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    play(dashboard, run_id, 1, [], loss=nan, accuracy=inf)
    play(dashboard, run_id, 2, [], loss=-inf, accuracy=0.25)

    items, _ = points(dashboard, run_id, phase="train")
    told = [(item["name"], item["value"], item["kind"]) for item in items]
    assert told == [
        ("loss", None, "nan"), ("accuracy", None, "inf"), ("loss", None, "-inf"), ("accuracy", 0.25, "finite")
    ]  # fmt: skip
    answer = dashboard.http.get(f"/api/runs/{run_id}/metrics.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["value"] for row in rows if row["phase"] == "train"] == ["NaN", "inf", "-inf", "0.25"]
    assert dashboard.run(run_id)["last_metrics"]["train_loss"] is None
    assert dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"][0]["metrics"]["train_loss"] is None


def test_csv_holds_every_point_and_no_formula_of_a_client(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    clients = [add_client(dashboard, name) for name in ("=1+1", "@SUM(A1)", 'site, "a"')]
    for number in range(3):
        play(dashboard, run_id, number, clients, **{"loss": -1.5, "+cmd": 2.0})
    answer = dashboard.http.get(f"/api/runs/{run_id}/metrics.csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{run_id}-metrics.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["round", "phase", "client_id", "client", "name", "value", "clients", "samples", "data"]
    assert len(rows) - 1 == len(points(dashboard, run_id)[0]) == 3 * (4 + 3 * 2)
    assert {row[3] for row in rows[1:]} == {"", "'=1+1", "'@SUM(A1)", 'site, "a"'}
    assert {row[4] for row in rows[1:]} == {"loss", "'+cmd"}
    assert {row[5] for row in rows[1:] if row[4] == "loss"} == {"-1.5"}, "a number of ours stays a number"


def test_csv_for_a_spreadsheet_says_that_it_is_utf_8(dashboard: Dashboard) -> None:
    run_id = add_run(dashboard)
    play(dashboard, run_id, 0, [add_client(dashboard, "Universität Köln")], loss=0.5)
    plain, marked = (
        dashboard.http.get(f"/api/runs/{run_id}/metrics.csv", params=query).content for query in ({}, {"bom": 1})
    )
    assert plain.startswith(b"round,")
    assert marked == codecs.BOM_UTF8 + plain
    assert "Universität Köln" in marked.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since_id=-1", "since_id"), (f"since_id={2**53}", "since_id"), ("phase=prepare", "phase.0"),
        ("limit=0", "limit"), ("limit=50001", "limit"), ("name=" + "a" * 101, "name.0"), ("client_id=0", "client_id.0"),
    ],
)  # fmt: skip
def test_a_bad_filter_is_named(dashboard: Dashboard, query: str, field: str) -> None:
    run_id = add_run(dashboard)
    answer = dashboard.http.get(f"/api/runs/{run_id}/metrics?{query}")
    assert answer.status_code == 422
    named = [error["field"] for error in answer.json()["errors"]]
    assert named, "the answer names no field"
    assert [one for one in named if one.startswith(field)] == named
