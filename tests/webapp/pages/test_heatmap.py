"""Clients by round and a round second by second: what the cells and bars say, and how the address chooses them."""

from itertools import pairwise

import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.answers import nan_loss_in_round_1
from tests.support.books import done, reply
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, honest
from tests.support.markup import Element, get_both, get_page
from tests.webapp.routes.api.test_metrics import add_client, add_run
from webapp.pages.runs.timeline import _rulers


def trouble(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    if task.phase == "evaluate":
        answer.metrics = {name: value * 0.5 for name, value in answer.metrics.items()}
    if task.phase == "train":
        answer.delay_seconds = 0.2 if task.round == 4 else 0.0
        answer.num_examples = 0 if task.round == 2 else 10
        answer.error = "out of memory" if task.round == 3 else None
    return answer


@pytest.fixture
def troubled(dashboard: Dashboard) -> int:
    """A run of five rounds: site-c is refused in the second, fails in the third, is slow in the fourth."""
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        stage.add("site-c", trouble)
        dashboard.wait_for_clients(3)
        run_id = dashboard.start_run(num_rounds=5)
        dashboard.wait_for_state(run_id, "completed")
    return run_id


def cells(page: Element) -> dict[str, list[str]]:
    rows = page.one("table", id="heatmap").one("tbody").all("tr")
    return {row.one("th").text: [cell.text for cell in row.all("td")] for row in rows}


def test_cells_show_values_and_what_went_wrong(dashboard: Dashboard, troubled: int) -> None:
    page = get_both(dashboard.http, f"/runs/{troubled}", "run-page")
    shown = cells(page)
    assert list(shown) == ["site-a", "site-b", "site-c"]
    assert shown["site-a"][0] == "66.7\u202f%"
    assert [shown["site-c"][place].split()[-1] for place in (1, 2)] == ["rejected", "failed"]
    heat = page.one("section", id="by-round")
    assert heat.one("a", aria_current="true").text == "Accuracy"
    assert "Worst client: site-c, 42.9\u202f% in round 5" in heat.text
    assert "rejected by a check" in heat.one("p", class_="key").text and "late" not in heat.one("p", class_="key").text
    assert {link["href"] for link in page.one("table", id="heatmap").all("a")} == {f"/clients/{i}" for i in (1, 2, 3)}


@pytest.mark.parametrize(
    ("query", "first"), [("cells=loss", "0.500"), ("cells=outcome", "participated"), ("cells=nonsense", "66.7\u202f%")]
)
def test_the_address_chooses_what_cells_show(dashboard: Dashboard, troubled: int, query: str, first: str) -> None:
    assert cells(get_both(dashboard.http, f"/runs/{troubled}?{query}", "run-page"))["site-a"][0] == first


def test_a_number_that_did_not_come_is_marked_and_the_round_says_whose_it_was(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
        stage.add("site-b", nan_loss_in_round_1)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
    page = get_both(dashboard.http, f"/runs/{run_id}?cells=loss", "run-page")
    assert cells(page)["site-b"][0] == "no value" and cells(page)["site-b"][1] != "no value"
    assert page.one("table", id="heatmap").one("tbody").all("tr")[1].one("td", class_="g-cancelled")
    assert "participated, metric not reported" in page.one("section", id="by-round").one("p", class_="key").text
    happened = [page.one("tr", id=f"round-{n}").all("td")[-1].text for n in (1, 2)]
    assert happened == ["loss is not a number, reported by site-b", ""]
    accuracy = get_page(dashboard.http, f"/runs/{run_id}").one("section", id="by-round")
    assert not accuracy.all("p", class_="key"), "accuracies are all there"


@pytest.mark.parametrize(("values", "low", "high"), [
    ([0.1, 0.2, 0.3], "0.100", "0.300"), ([1.0] * 39 + [9.0], "1.000", "9.000"), ([1.0, 1.0], "", ""),
    ([*(1 + n / 100 for n in range(49)), 1e6], "1.000", "1.480 to 1.00e+6"),
    ([-1.7e308, 0.0, 1.7e308], "−1.70e+308", "1.70e+308"),
])  # fmt: skip
def test_the_scale_holds_all_values(dashboard: Dashboard, values: list[float], low: str, high: str) -> None:
    run_id = add_run(dashboard)
    for number, client in enumerate(add_client(dashboard, f"site {n}") for n in range(len(values))):
        dashboard.parts.runs.record(reply(run_id, 1, client, "evaluate", loss=values[number]))
    dashboard.parts.runs.record(done(run_id, 1, loss=0.5))
    page = get_page(dashboard.http, f"/runs/{run_id}?cells=loss&heatmap=1")
    scale = [one.text for one in page.one("section", id="by-round").all("span", class_="scale")]
    assert scale == ([f"{low} {high}"] if low else [])


@pytest.mark.parametrize("seconds", [0.004, 0.3, 1.19, 2.2, 7.5, 61.0, 4000.0])
def test_a_narrow_timeline_has_room_for_the_words_it_keeps(seconds: float) -> None:
    rulers = [ruler.place for ruler in _rulers(seconds) if ruler.narrow]
    assert rulers[0] == 0 and 1 <= len(rulers) <= 3
    assert all(later - before >= 30 for before, later in pairwise([*rulers, 100.0]))


def test_seconds_of_clients_can_be_seen_by_round(dashboard: Dashboard, troubled: int) -> None:
    shown = cells(get_page(dashboard.http, f"/runs/{troubled}?cells=seconds"))
    assert shown["site-c"][3].startswith(("0.2", "0.3")), shown["site-c"]


def test_the_last_of_a_round_is_named_with_what_waiting_cost(dashboard: Dashboard, troubled: int) -> None:
    page = get_both(dashboard.http, f"/runs/{troubled}?round=4", "run-page").one("section", id="timeline")
    assert page.one("h2").text == "Round 4 timeline"
    assert page.one("b").text == "site-c"
    assert "replied last, " in page.text and " after the client before." in page.text
    assert "Idle time of all clients: " in page.text
    bars = page.all("svg", role="img")
    assert (bars[0]["aria-label"] or "").startswith("site-a: ")
    assert all(0 <= float((part["x"] or "").rstrip("%")) <= 100 for bar in bars for part in bar.all("rect"))
    assert [link.text for link in page.one("nav").all("a")] == ["Round 3", "Round 5", "Newest"]
    newest = get_page(dashboard.http, f"/runs/{troubled}?round=77").one("section", id="timeline")
    assert newest.one("h2").text.startswith("Round 5 "), "a round that is not there yet"


def test_a_phone_leaves_out_the_number_that_would_be_cut(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=20)
    heads = get_page(dashboard.http, f"/runs/{run_id}").one("table", id="heatmap").one("thead").all("th")[1:]
    assert [head.text for head in heads[:19]] == [str(n) for n in range(1, 20)]
    assert heads[19].one("span", class_="p2").text == heads[19].one("span", class_="sr").text == "20"
    assert not [head for head in heads[:19] if head.all("span", class_="p2")]


def test_before_the_first_round_there_is_no_map(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run()
    dashboard.wait_for_state(run_id, "waiting")
    page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
    assert not page.all("table", id="heatmap") and not page.all("section", id="timeline")


def test_links_keep_what_else_the_address_asks_for(dashboard: Dashboard, troubled: int) -> None:
    query = "x=clock&smooth=40&lines=1-3&phase=train&cells=loss&events=trouble"
    page = get_both(dashboard.http, f"/runs/{troubled}?{query}&of=1&nonsense=2", "run-page")
    link = next(one["href"] or "" for one in page.all("a") if one.text == "Duration")
    assert link == f"/runs/{troubled}?{query.replace('cells=loss', 'cells=seconds')}#by-round"
    assert [box["value"] for box in page.all("input", name="line") if "checked" in box] == ["1", "3"]
    assert page.one("input", name="smooth")["value"] == "40"
    assert page.one("meadow-chart", metric="loss")["phase"] == "train"
    assert "site-c failed in round 3: out of memory" in page.one("section", id="events").text
