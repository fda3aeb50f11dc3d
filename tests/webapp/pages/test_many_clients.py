"""Pages with many clients: few rows, a sign that there are others, and the same size for any number of them."""

from collections.abc import Iterator

import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.asked import asked
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, Answering, Stage, honest
from tests.support.markup import Element, get_both, get_fragment, get_page

FIRST, ALL = 60, 130
MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("many")) as dashboard:
        yield dashboard


def answer_as(number: int) -> Answering:
    """Return the answers of a client whose accuracy is lower the lower its number; that of site-044 is never of use."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        given = honest(task, weights, layout)
        if task.phase == "evaluate":
            given.metrics = {"loss": 1.0 - number / 1000, "accuracy": number / 1000}
        if task.phase == "train" and number == 44:
            given.error = "out of memory"
        return given

    return answer


@pytest.fixture(scope="module")
def stage(dashboard: Dashboard) -> Iterator[Stage]:
    """Sixty clients are online, and a run of theirs has ended."""
    with dashboard.stage() as stage:
        for number in range(FIRST):
            stage.add(f"site-{number:03d}", answer_as(number))
        dashboard.wait_for_clients(FIRST)
        let_run(dashboard)
        yield stage


def let_run(dashboard: Dashboard) -> int:
    run_id = dashboard.start_run(num_rounds=2)
    dashboard.wait_for_state(run_id, "completed", timeout=40)
    return run_id


def names(page: Element) -> list[str]:
    return [row.one("span", class_="name").text for row in page.one("ul", class_="client-list").all("li")[1:]]


def test_a_long_list_of_clients_begins_with_problems_and_says_what_it_does_not_show(
    dashboard: Dashboard, stage: Stage
) -> None:
    found = {one["name"]: one["id"] for one in dashboard.http.get("/api/clients").json()["items"]}
    dashboard.http.post(f"/clients/{found['site-041']}/leave-out")
    page = get_both(dashboard.http, "/clients", "clients-list")
    assert len(names(page)) == 12 and names(page)[0] == "site-044", "its last task failed"
    assert page.one("p", class_="cut").one("span").text == f"12 of {FIRST} clients, problems first"
    link = page.one("p", class_="cut").one("a")
    assert (link.text, link["href"]) == ("Show all", "/clients?page=1#clients-h")
    pages = [get_page(dashboard.http, f"/clients?page={number}") for number in (1, 2, 9)]
    assert len({*names(pages[0]), *names(pages[1])}) == FIRST, "each client is on one of the pages"
    assert names(pages[2]) == names(pages[1]), "a page that is not there is the last one"
    assert [one.text for one in pages[1].one("p", class_="cut").all("a")] == ["Previous", "Show fewer"]


def test_the_list_of_clients_is_searched_filtered_and_sorted_by_its_address(dashboard: Dashboard, stage: Stage) -> None:
    assert names(get_page(dashboard.http, "/clients?q=SITE-04&sort=name"))[:3] == ["site-040", "site-041", "site-042"]
    excluded = get_page(dashboard.http, "/clients?show=left-out&sort=nonsense&page=x")
    assert names(excluded) == ["site-041"] and not excluded.all("p", class_="cut")
    assert excluded.one("span", class_="readout").text == f"1 of {FIRST} clients"
    by_name = [names(get_page(dashboard.http, f"/clients?sort=name&page={page}")) for page in (1, 2)]
    assert by_name[0] + by_name[1] == [f"site-{number:03d}" for number in range(FIRST)]
    newest = get_page(dashboard.http, "/clients?sort=newest")
    assert newest.one("select", name="sort").one("option", selected=True)["value"] == "newest"
    assert get_page(dashboard.http, "/clients?q=nobody").one("p", class_="none").text.startswith("No client matches.")


def test_the_page_of_a_run_shows_its_worst_clients_and_says_that_there_are_others(
    dashboard: Dashboard, stage: Stage
) -> None:
    page = get_both(dashboard.http, "/runs/1", "run-page")
    rows = [row.one("th").text for row in page.one("table", id="heatmap").one("tbody").all("tr")]
    assert rows == ["site-044", *(f"site-{number:03d}" for number in range(11))]
    heat = page.one("section", id="by-round")
    assert "Worst client: site-000" in heat.text
    sign = heat.one("p", class_="cut")
    assert sign.one("span").text == f"12 of {FIRST} clients, problems of the last round, then lowest accuracy first"
    assert sign.one("a")["href"] == "/runs/1?heatmap=1#by-round"
    assert page.one("section", id="timeline").one("p", class_="cut").text.startswith(f"12 of {FIRST} clients")
    lanes = [lane.one("a").text for lane in page.one("ul", class_="gantt").all("li")[1:]]
    assert len(lanes) == 12 and lanes[0] == "site-044", "its update was of no use"
    chips = [chip.text for chip in page.one("fieldset", class_="chips").all("label")]
    assert sorted(chips) == [f"site-{number:03d}" for number in range(12)]
    assert f"12 of {FIRST} clients" in page.one("div", id="lines").text

    whole = get_page(dashboard.http, "/runs/1?heatmap=2&timeline=1&chips=1")
    assert len(whole.one("table", id="heatmap").one("tbody").all("tr")) == FIRST - 50
    assert len(whole.one("ul", class_="gantt").all("li")) == 51
    assert len(whole.one("fieldset", class_="chips").all("label")) == 50


def test_clients_of_a_run_are_found_by_name_in_all_its_parts_and_drawn_ones_stay(
    dashboard: Dashboard, stage: Stage
) -> None:
    found = {one["name"]: one["id"] for one in dashboard.http.get("/api/clients").json()["items"]}
    drawn = found["site-007"]
    page = get_both(dashboard.http, f"/runs/1?q=TE-03&lines={drawn}", "run-page")
    assert len(page.one("table", id="heatmap").one("tbody").all("tr")) == 10
    assert len(page.one("ul", class_="gantt").all("li")) == 11
    boxes = page.one("fieldset", class_="chips").all("input", name="line")
    assert len(boxes) == 11 and [box["value"] for box in boxes if "checked" in box] == [str(drawn)]
    find = page.one("form", data_part="find")
    assert find.one("input", name="q")["value"] == "TE-03"
    assert find.one("input", name="lines")["value"] == str(drawn)
    nobody = get_page(dashboard.http, "/runs/1?q=nobody").one("section", id="by-round")
    assert "No client of this run matches “nobody”." in nobody.text


def test_the_start_form_offers_some_of_many_clients_and_finds_others_by_name(
    dashboard: Dashboard, stage: Stage
) -> None:
    found = {one["name"]: one["id"] for one in dashboard.http.get("/api/clients").json()["items"]}
    chosen = found["site-007"]
    boxes = get_fragment(dashboard.http, f"/runs/new?who=some&clients={chosen}&find=te-03", "client-boxes")
    assert boxes.all("label")[0].text.startswith("site-007"), "a chosen one stays and comes first"
    assert {box.text.split()[0][:-1] for box in boxes.all("label")[1:]} == {"site-03"}
    assert boxes.one("p", class_="cut").text.startswith(f"11 of {FIRST} clients")
    page = get_page(dashboard.http, f"/runs/new?who=some&clients={chosen}")
    assert len(page.all("input", name="clients")) == 51


def test_home_shows_some_of_many_online_clients(dashboard: Dashboard, stage: Stage) -> None:
    home = get_both(dashboard.http, "/", "home-page")
    assert len(home.one("ul", class_="brief").all("li")) == 13
    sign = home.one("section", aria_labelledby="clients-h").one("p", class_="cut")
    assert sign.one("span").text == f"12 of {FIRST} online clients"
    assert sign.one("a")["href"] == "/clients?show=online&page=1"


def cost_of(dashboard: Dashboard, path: str) -> tuple[int, int]:
    """Return how many statements and bytes a page takes; the least of some, since events are written beside them."""
    costs = []
    for _ in range(5):
        with asked(dashboard.parts.database.engine) as statements:
            answer = dashboard.http.get(path)
        assert answer.status_code == 200, answer.text
        costs.append((len(statements), len(answer.content)))
    return min(costs)


def test_pages_take_as_many_statements_and_bytes_for_more_clients(dashboard: Dashboard, stage: Stage) -> None:
    of_run = ("/runs/{}", "/runs/{}?heatmap=1", "/runs/{}?timeline=1", "/runs/{}?chips=1")
    paths = ("/", "/runs/new", "/clients", "/clients?page=1", "/server", *of_run)
    before = {path: cost_of(dashboard, path.format(1)) for path in paths}
    for number in range(FIRST, ALL):
        stage.add(f"site-{number:03d}", answer_as(number))
    dashboard.wait_for_clients(ALL)
    run_id = let_run(dashboard)
    for path, (statements, size) in before.items():
        now = cost_of(dashboard, path.format(run_id))
        assert now[0] == statements and now[1] < 1.15 * size, f"{path}: {size} bytes, {now}"
        assert now[1] < MOST_BYTES, path


def test_any_of_many_clients_is_excluded_from_a_run_by_its_id(dashboard: Dashboard, stage: Stage) -> None:
    run_id = dashboard.start_run(min_clients=1000)
    last = dashboard.http.get("/api/clients").json()["items"][-1]
    form = get_page(dashboard.http, f"/runs/{run_id}").one("form", action=f"/runs/{run_id}/exclude")
    assert form.one("label").text == "Client ID" and form.one("small").text.endswith("shows its ID: Clients")
    fields = {"client_id": str(last["id"]), "back": form.one("input", name="back")["value"] or ""}
    assert dashboard.http.post(f"/runs/{run_id}/exclude", data=fields).status_code == 303
    assert dashboard.run(run_id)["excluded"] == [last["id"]]
    dashboard.http.post(f"/api/runs/{run_id}/stop")
    dashboard.wait_for_state(run_id, "stopped", "cancelled")
