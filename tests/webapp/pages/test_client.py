"""Clients seen by people: labels side by side, warnings before a round, a page each, and who is left out."""

import re
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, Answering, LightClient, honest, training
from tests.support.markup import flash_of, get_both, get_page
from tests.support.processes import wait_until


def holding(counts: list[int] | None, **more: Any) -> Answering:
    """Answer as an honest client that says at prepare what it holds."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "prepare":
            said.data = {"samples": {"train": sum(counts or [10]), "test": 5}, "label_counts": counts,
                         "classes": 10, "input_shape": [8, 8, 1]} | more  # fmt: skip
        return said

    return answer


def test_labels_are_drawn_beside_those_of_all_and_skew_is_warned_of(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        sites = (("skewed", [90, 10, 0, 0, 0], 8), ("even", [20] * 5, 8), ("silent", None, 28))
        for known, (name, counts, side) in enumerate(sites, 1):
            stage.add(name, holding(counts, input_shape=[side, side, 1]))
            dashboard.wait_for_clients(known)
        run_id = dashboard.start_run(num_rounds=1, min_clients=3)
        dashboard.wait_for_state(run_id, "completed")
        page = get_both(dashboard.http, "/clients", "clients-list")
        own = get_both(dashboard.http, "/clients/1", "client-page")

    row = page.one("li", id="client-1")
    drawing = row.one("svg", class_="labels")
    assert drawing["aria-label"] == "skewed: largest class 0 with 90 percent of the samples"
    bars = " ".join(str(path["d"]) for path in drawing.all("path", class_="bars"))
    assert [float(height) for height in re.findall(r"v([\d.]+)h-12z", bars)] == [4.8, 0, 0, 0, 24], "the peak is apart"
    ticks = str(drawing.one("path", class_="all")["d"]).split("M")
    assert ticks[1] == "0 1.0h14" and ticks[5] == "60 20.2h14", "55 % and 10 % over both"
    assert "100\u202f% in 2 classes, 3 missing" in row.text
    assert not page.one("li", id="client-3").all("svg", class_="labels")
    warnings = page.one("section", aria_labelledby="warnings-h").text
    assert "skewed : 100.0\u202f% of the samples in two classes, 0 and 1." in warnings
    assert "silent : input shape 28×28×1, most clients with synthetic: input shape 8×8×1." in warnings
    assert "100 samples" in own.text and own.one("section", aria_labelledby="warnings-h")
    assert len(own.one("details").one("tbody").all("tr")) == 5
    assert "all 1" in own.one("section", aria_labelledby="runs-h").text


def test_clients_that_a_run_asks_nothing_for_the_same_reason_are_named_together(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for known, name in enumerate(("chosen", "ward-1", "ward-2", "ward-3", "ward-4", "ward-5"), 1):
            stage.add(name)
            dashboard.wait_for_clients(known)
        run_id = dashboard.start_run(clients=["chosen"])
        dashboard.wait_for_state(run_id, "waiting")
        clients = get_both(dashboard.http, "/clients", "clients-list").one("section", aria_labelledby="warnings-h")
        pages = [get_both(dashboard.http, *page) for page in (("/", "home-page"), (f"/runs/{run_id}", "run-page"))]

    said = "ward-1, ward-2, ward-3 and 2 others : not selected for the run"
    assert clients.one("li").text == f"{said}. Not eligible for #{run_id}. #{run_id}"
    for page in pages:
        others = page.one("section", aria_labelledby="other-h")
        assert (others.one("li").text, others.one("small").text) == (said, "5 clients")


@pytest.mark.parametrize("counts", [[1], [0, 0], [1] * 300])  # others are refused before they are stored
def test_labels_that_are_no_counts_are_not_drawn(dashboard: Dashboard, counts: Any) -> None:
    with dashboard.stage() as stage:
        for name in ("site-a", "site-b"):
            stage.add(name, holding(None, label_counts=counts))
        dashboard.wait_for_clients(2)
        dashboard.wait_for_state(dashboard.start_run(num_rounds=1), "completed")
    page = get_page(dashboard.http, "/clients")
    assert not page.all("svg", class_="labels")
    get_page(dashboard.http, "/clients/1")


def test_rounds_in_which_a_run_continued_without_a_client_count_as_not_selected(dashboard: Dashboard) -> None:
    def leaves(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "train" and task.round == 3:
            said.silent = True
            stage.do(site.socket.close())
        return said

    with dashboard.stage() as stage:
        for known, name in enumerate(("site-a", "site-b"), 1):
            stage.add(name)
            dashboard.wait_for_clients(known)
        site = stage.add("field-03", leaves)
        dashboard.wait_for_clients(3)
        first = dashboard.start_run(num_rounds=6)
        dashboard.wait_for_state(first, "completed")
        dashboard.wait_for_state(dashboard.start_run(num_rounds=2), "completed")
        stage.do(LightClient(site.address, "field-03", key=site.key).run())
        dashboard.wait_for_clients(3)
        drawn = dashboard.start_run(num_rounds=4, fraction_train=0.5, min_clients=1)
        dashboard.wait_for_state(drawn, "completed")

    row = get_page(dashboard.http, "/clients").one("li", id="client-3")
    dots = row.one("span", class_="dots")
    assert (dots["aria-label"] or "").endswith(" participated, 1 lost, 3 not selected")
    glyphs = [(use["href"] or "").rpartition("#")[2] for use in dots.all("use")]
    assert glyphs[:6] == ["g-running", "g-running", "g-failed", "g-away", "g-away", "g-away"]
    assert set(glyphs[6:]) <= {"g-running"}, "a round in which others were drawn is none of its rounds"
    own = get_both(dashboard.http, "/clients/3", "client-page").one("section", aria_labelledby="runs-h")
    words = {line.one("a")["href"]: line.all("td")[1].text for line in own.one("tbody").all("tr")}
    assert words[f"/runs/{first}"] == "2 participated, 1 lost, 3 not selected"
    assert "not selected" not in words.get(f"/runs/{drawn}", "")
    assert "not selected" in own.one("p", class_="key").text

    heat = get_page(dashboard.http, f"/runs/{first}").one("section", id="by-round")
    cells = heat.one("tr", data_client="3").all("td")
    assert [cell.text.split()[-1] for cell in cells[2:]] == ["lost", *["selected"] * 3]
    assert "not selected" in heat.one("p", class_="key").text
    others = get_page(dashboard.http, f"/runs/{drawn}").one("table", id="heatmap")
    assert "evaluated only" in others.text and "not selected" not in others.text


def test_a_client_is_excluded_from_all_runs_and_included_again(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        sites = [stage.add("site-a"), stage.add("site-b")]
        dashboard.wait_for_clients(2)
        names = {one["name"]: one["id"] for one in dashboard.http.get("/api/clients").json()["items"]}
        out = names["site-b"]
        answer = dashboard.http.post(f"/clients/{out}/leave-out")
        page = get_page(dashboard.http, answer.headers["location"])
        outcome = page.one("div", class_="outcome")
        assert "site-b was excluded from all runs, from the next round on." in outcome.text
        assert outcome.one("form")["action"] == f"/clients/{out}/let-in"
        assert [one["id"] for one in get_both(dashboard.http, "/clients?show=left-out", "clients-list").all("li")
                if (one.attributes.get("id") or "").startswith("client-")] == [f"client-{out}"]  # fmt: skip
        run_id = dashboard.start_run(num_rounds=2, min_clients=1)
        dashboard.wait_for_state(run_id, "completed")
        assert sites[1].tasks == []
        assert "Excluded" in get_both(dashboard.http, f"/clients/{out}", "client-page").text

        answer = dashboard.http.post(f"/clients/{out}/let-in")
        page = get_page(dashboard.http, answer.headers["location"])
        assert flash_of(page) == "site-b was included in runs again. Undo"
        dashboard.wait_for_state(dashboard.start_run(num_rounds=1, min_clients=2), "completed")
        assert sites[1].tasks


def test_a_client_excluded_while_a_run_waits_for_more_gets_no_more_tasks(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=1, min_clients=2)
        wait_until(lambda: (dashboard.run(run_id)["blocked_on"] or {}).get("kind") == "quorum", what="a wait")
        dashboard.http.post("/api/clients/1/leave-out")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        assert dashboard.run(run_id)["state"] == "waiting"
        dashboard.http.post("/api/clients/1/let-in")
        dashboard.wait_for_state(run_id, "completed")


def test_access_is_revoked_after_a_question_on_a_page_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        site = stage.add("site-a")
        dashboard.wait_for_clients(1)
        page = get_page(dashboard.http, "/clients/1")
        link = next(one for one in page.all("a") if one.text == "Revoke access…")
        question = get_page(dashboard.http, link["href"] or "")
        assert question.one("h1").text == "Revoke access of site-a?"
        form = question.one("form")
        assert [button.attributes.get("formaction") for button in form.all("button")] == [None, "/clients/1/leave-out"]
        answer = dashboard.http.post(form["action"] or "")
        wait_until(lambda: site.closed is not None, what="the end of the connection")
        outcome = get_page(dashboard.http, answer.headers["location"]).one("div", class_="outcome")
        assert "Access of site-a was revoked." in outcome.text
        dashboard.http.post(outcome.one("form")["action"] or "")
        assert dashboard.http.get("/api/clients/1").json()["state"] == "offline"


def test_the_last_failed_task_of_a_client_is_on_its_page_with_its_log_where_the_client_shares_it(
    dashboard: Dashboard,
) -> None:
    frame = {"file": "my_app/task.py", "line": 41, "function": "train", "code": "x, y = <batch>"}
    log = ["step 1", "\tindented \x1b[31mred\x1b[0m", "<script>alert(1)</script>"]

    def fails(lines: list[str] | None) -> Answering:
        failure = {"frames": [frame], "log": lines}
        return training(lambda task, *_: Answer(error=f"ValueError: round {task.round}", failure=failure))

    with dashboard.stage() as stage:
        for known, (name, answer) in enumerate((("fine", honest), ("open", fails(log)), ("closed", fails(None))), 1):
            stage.add(name, answer)
            dashboard.wait_for_clients(known)
        run_id = dashboard.start_run(num_rounds=2, min_clients=1)
        dashboard.wait_for_state(run_id, "completed")
        shown = get_both(dashboard.http, "/clients/2", "client-page").one("section", id="failure")
        closed = get_both(dashboard.http, "/clients/3", "client-page").one("section", id="failure").text
        told = dashboard.http.get("/api/clients/2/last-failure").json()
        assert dashboard.http.get("/api/clients/1/last-failure").status_code == 404

    assert "ValueError: round 2" in shown.text and f"#{run_id} , round 2, train" in shown.text
    assert "my_app/task.py:41 in train x, y = <batch>" in shown.text
    assert shown.one("details", id="failure-log").one("summary").text == "Log of the client, the last 3 lines"
    assert (told["round"], told["phase"], told["frames"]) == (2, "train", [frame])
    assert told["log"] == ["step 1", "    indented red", "<script>alert(1)</script>"]
    assert "--share-logs" in closed and "my_app/task.py:41" in closed
    assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204
    assert dashboard.http.get("/api/clients/2/last-failure").status_code == 404
    assert not get_page(dashboard.http, "/clients/2").all("section", id="failure")


def test_there_is_no_page_of_a_client_that_never_came(dashboard: Dashboard) -> None:
    assert dashboard.http.get("/clients/1").status_code == 404
    assert dashboard.http.get("/clients/1/revoke").status_code == 404
    assert dashboard.http.get("/clients/zero").status_code == 404
