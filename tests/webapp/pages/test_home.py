"""The home page: what is going on now, and the next step where nothing is."""

import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, honest
from tests.support.markup import get_both, get_page
from tests.support.processes import wait_until
from webapp.db.tables import Run
from webapp.pages.runs.head import detail, headline


def never_trains(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    return answer if task.phase == "prepare" or task.round == 0 else Answer(silent=True)


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.1 if task.phase == "train" else 0.0
    return answer


def test_an_empty_home_page_teaches_how_to_join_and_says_that_the_defaults_work(dashboard: Dashboard) -> None:
    home = get_both(dashboard.http, "/", "home-page")

    assert home.one("h1").text == "No client has connected yet"
    command = home.one("code", id="join").text
    assert command == f"python -m federation.client --server {dashboard.flower_address} --name my-lab --dataset digits"
    assert home.one("button", data_from="#join").text == "Copy"
    start = next(form for form in home.all("form") if form["action"] == "/runs")
    assert (start["method"], start.one("button").text) == ("post", "Start federation")


def test_start_federation_with_nothing_else_starts_a_run_of_the_defaults(dashboard: Dashboard) -> None:
    answer = dashboard.http.post("/runs")

    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/1")
    config = dashboard.run(1)["config"]
    chosen = {name: config[name] for name in ("network", "dataset", "strategy", "num_rounds", "min_clients")}
    assert chosen == {
        "network": "mlp", "dataset": "digits", "strategy": "FedAvg", "num_rounds": 3, "min_clients": 2,
    }  # fmt: skip


def test_a_run_without_its_clients_says_for_whom_it_waits_and_what_ends_the_wait(dashboard: Dashboard) -> None:
    dashboard.know_clients("site-c")
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(name="Lonely", clients=["site-a", "site-c"])
        wait_until(lambda: "needs 1 more" in (dashboard.run(run_id)["blocked_on"] or {"sentence": ""})["sentence"])
        home = get_both(dashboard.http, "/", "home-page")

    assert home.one("p", class_="crumb").text == "Waiting #1 Lonely"
    assert (
        home.one("h1").text
        == "1 of 2 clients are eligible and online; the run needs 1 more (1 online but not eligible)"
    )
    block = home.one("section", class_="block")
    assert block.one("h2").text.startswith("Too few clients since ")
    assert "--dataset synthetic" in block.one("code", id="join").text
    assert [seat.one("span", class_="name").text for seat in block.one("ul", class_="seats").all("li")] == [
        "site-a",
        "1 more client",
    ]
    assert 590 < float(block.one("span", class_="clock")["data-until"] or 0) <= 600
    other = home.one("section", aria_labelledby="other-h")
    assert other.one("li").text == "site-b : not selected for the run"
    assert home.one("a", class_="danger").text == "Stop"


def test_a_wait_for_many_says_how_many_seats_are_empty(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(min_clients=5)
        wait_until(lambda: "needs 4 more" in (dashboard.run(run_id)["blocked_on"] or {"sentence": ""})["sentence"])
        seats = [seat.text for seat in get_page(dashboard.http, "/").one("ul", class_="seats").all("li")]
        client = get_page(dashboard.http, f"/runs/{run_id}").one("ul", class_="clients-now").all("li")[-1]
    assert client.one("span", data_part="task").text == "Ready", "it has prepared, and done nothing yet"
    assert client.one("progress")["value"] == "0"
    assert seats[0].startswith("site-a") and [seat[:13] for seat in seats[1:]] == ["1 more client"] * 3 + ["and 1 more"]


def test_the_next_of_the_queue_says_when_it_starts_where_that_is_known(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=500)
        for name in ("Next", "Later"):
            dashboard.start_run(name=name, num_rounds=7)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 1)
        lines = get_page(dashboard.http, "/").one("section", aria_labelledby="queue-h").one("ol").all("li")
    words = [line.one("small").text for line in lines]
    assert words[0].startswith("7 rounds, FedAvg, synthetic, starts in about ")
    assert words[1] == "7 rounds, FedAvg, synthetic"


@pytest.mark.parametrize("state", ["running", "paused"])
def test_rounds_in_the_thousands_are_written_alike_in_a_sentence(state: str) -> None:
    run = Run(
        state=state, current_round=1499, num_rounds=3000, blocked_on=None, last_metrics={}, best_metrics={}, config={}
    )
    assert headline(run, {}) in ("Round 1,500 of 3,000", "Paused after round 1,499 of 3,000 rounds")


@pytest.mark.parametrize("reason", ["round 131 is lost", "round 131 is lost.", "Round 131 is lost..."])
def test_a_reason_ends_with_one_full_stop(reason: str) -> None:
    assert detail(Run(state="failed", current_round=130, reason=reason), {}) == "Round 131 is lost."


def test_a_run_under_way_is_told_in_a_sentence_with_its_clients_and_charts(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", never_trains)
        dashboard.wait_for_clients(1)
        stage.add("<b>site-b</b>", never_trains)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=5, name="Fünf & more")
        wait_until(lambda: dashboard.run(run_id)["last_metrics"], what="round 0")
        home = get_both(dashboard.http, "/", "home-page")

    assert home.one("h1").text == "Round 1 of 5, training: 0 of 2 clients replied"
    assert home.one("p", class_="crumb").text == "Running #1 Fünf & more"
    rows = [one for one in home.all("li") if (one.attributes.get("id") or "").startswith("client-now-")]
    assert [row.one("span", class_="name").text for row in rows] == ["online site-a", "online <b>site-b</b>"]
    charts = home.all("meadow-chart")
    assert [(one["run"], one["metric"], "hx-morph-skip" in one) for one in charts] == [
        ("1", "accuracy", True), ("1", "loss", True),
    ]  # fmt: skip
    assert charts[0].one("span", data_part="figure").text == "50.0\u202f%"
    assert [row.one("th").text for row in charts[0].one("tbody").all("tr")] == ["0"]
    assert home.one("svg", class_="round-bars")["aria-label"] == (
        "0 of 5 rounds completed, round 1 in progress; bar height: mean accuracy of the round"
    )


def test_between_runs_the_form_stands_there_and_the_last_run_stays_in_sight(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
        home = get_both(dashboard.http, "/", "home-page")

    assert home.one("h1").text == "2 clients online, no active run"
    form = home.one("form", id="home-start")
    assert (form["action"], form["method"]) == ("/runs", "post")
    chosen = {select["name"]: select.one("option", selected=True)["value"] for select in form.all("select")}
    assert chosen == {"dataset": "synthetic", "network": "synthetic"}, "what the clients hold"
    assert {field["name"]: field["value"] for field in form.all("input")} == {"num_rounds": "3", "min_clients": "2"}
    assert home.one("a", href=f"/runs/{run_id}#events")
    assert len(home.all("meadow-chart")) == 2
    assert "Round 2 completed, 2 of 2 updates" in home.text


def test_the_stream_of_a_page_goes_on_where_the_page_ends(dashboard: Dashboard) -> None:
    dashboard.start_run()
    live = get_page(dashboard.http, "/").one("span", id="live")
    assert live["data-stream"] == "/api/events"
    after = int(live["data-after"] or 0)
    with dashboard.stage() as stage:
        stage.add("site-a")
        events = dashboard.stream(f"/api/events?after={after}", lambda seen: bool(seen[-1]["id"]))
    assert int(events[-1]["id"]) == after + 1
