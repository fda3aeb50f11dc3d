"""/api/audit and /audit: filters, paging, exports, and the state of the chain."""

import csv
import io
import json
from typing import Any

import pytest

from tests.support.dashboard import Dashboard, named
from tests.support.markup import get_page
from webapp.operations.audit.attempts import Actor, Attempt, Outcome

ADA, EVE = Actor("user", "ada", 1), Actor("token", "=cmd|'/C calc'!A0\r\n<b>eve</b>", 2)


@pytest.fixture
def filled(dashboard: Dashboard) -> Dashboard:
    for number in range(1, 13):
        target = "run 1, run 12" if number == 12 else f"run {number}"
        dashboard.parts.audit.record(Attempt(ADA, "POST /runs/{run_id}/stop", target=target, status=303))
    refused = Attempt(EVE, "DELETE /api/runs/{run_id}", Outcome.REFUSED, "run 1", "192.0.2.7", 403, {"a_b": [1, 2]})
    dashboard.parts.audit.record(refused)
    return dashboard


def found(dashboard: Dashboard, **query: Any) -> list[int]:
    answer = dashboard.http.get("/api/audit", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def test_filters_and_pages_of_the_api(filled: Dashboard) -> None:
    assert found(filled, limit=3) == [13, 12, 11]
    assert found(filled, limit=2, before=3) == [2, 1]
    assert found(filled, target="run 1") == [13, 12, 1]
    assert found(filled, target="run 12") == [12]
    assert found(filled, target="run") == []
    assert found(filled, actor="ADA", action="stop", target="run 2") == [2]
    assert found(filled, outcome="refused") == found(filled, actor="eve") == [13]
    assert found(filled, actor="%") == []
    assert found(filled, since="2001-01-01", until="2002-01-01T00:00:00+02:00") == []
    assert len(found(filled, since="2001-01-01T00:00:00")) == 13
    assert named(filled.http.get("/api/audit?since=0001-01-01T00:00:00%2B10:00"), 422) == {"since"}
    assert named(filled.http.get("/api/audit?since=-81367"), 422) == {"since"}, "a number is no date"
    assert named(filled.http.get("/api/audit?outcome=no&limit=0&before=0"), 422) == {"outcome", "limit", "before"}


def test_exports_hold_what_the_filter_leaves_and_no_formula(filled: Dashboard) -> None:
    answer = filled.http.get("/api/audit.csv?actor=eve&bom=1")
    assert answer.text.startswith("\ufeffid,at,") and "attachment" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert row["actor"] == "'=cmd|'/C calc'!A0  <b>eve</b>"
    assert (row["status"], json.loads(row["detail"])) == ("403", {"a_b": [1, 2]})
    lines = filled.http.get("/api/audit.jsonl?target=run 12").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [12]
    assert filled.http.get("/api/audit.csv?actor=nobody").text.count("\r\n") == 1


def test_the_page_lists_filters_and_says_whether_the_chain_is_whole(filled: Dashboard) -> None:
    page = get_page(filled.http, "/audit?check=1")
    assert page.one("h1").text == "13 entries, none changed or missing"
    rows = page.one("tbody").all("tr")
    assert len(rows) == 13
    assert "<b>eve</b> API token" in rows[0].text and "Refused 403 192.0.2.7 a b 1 2" in rows[0].text
    newest = filled.http.get("/api/audit?limit=1").json()["items"][0]
    assert newest["hash"] in page.text
    page = get_page(filled.http, "/audit?target=run+12&since=2001-01-01&until=2999-12-31&outcome=done")
    assert len(page.one("tbody").all("tr")) == 1 and "1 of 13 entries" in page.text
    (export,) = [a["href"] for a in page.all("a") if a.text == "JSON"]
    assert export is not None
    assert len(filled.http.get(export).text.splitlines()) == 1
    assert "No matching entries" in get_page(filled.http, "/audit?actor=nobody&before=x&since=y").text
    assert filled.http.get("/api/audit/verify").json() | {"at": ""} == {
        "at": "", "entries": 13, "head": newest["hash"], "fault": "",
    }  # fmt: skip
