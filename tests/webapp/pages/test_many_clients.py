"""Pages with many clients: few rows, a sign that there are others, and the same size for any number of them."""

from collections.abc import Iterator

import pytest

from tests.support.asked import asked
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Stage
from tests.support.markup import Element, get_both, get_page
from tests.support.processes import wait_until

FIRST, ALL = 60, 130
MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("many")) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def stage(dashboard: Dashboard) -> Iterator[Stage]:
    """Sixty clients are online."""
    with dashboard.stage() as stage:
        for number in range(FIRST):
            stage.add(f"site-{number:03d}")
        dashboard.wait_for_clients(FIRST)
        yield stage


def names(page: Element) -> list[str]:
    return [row.one("span", class_="name").text for row in page.one("ul", class_="client-list").all("li")[1:]]


def test_a_long_list_of_clients_begins_with_problems_and_says_what_it_does_not_show(
    dashboard: Dashboard, stage: Stage
) -> None:
    found = {one["name"]: one["id"] for one in dashboard.http.get("/api/clients").json()["items"]}
    dashboard.http.post(f"/clients/{found['site-041']}/leave-out")
    page = get_both(dashboard.http, "/clients", "clients-list")
    assert len(names(page)) == 12
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


def cost_of(dashboard: Dashboard, path: str) -> tuple[int, int]:
    """Return how many statements and bytes a page takes."""
    with asked(dashboard.parts.database.engine) as statements:
        answer = dashboard.http.get(path)
    assert answer.status_code == 200, answer.text
    return len(statements), len(answer.content)


def test_pages_take_as_many_statements_and_bytes_for_more_clients(dashboard: Dashboard, stage: Stage) -> None:
    paths = ("/clients", "/clients?page=1", "/server")
    before = {path: cost_of(dashboard, path) for path in paths}
    for number in range(FIRST, ALL):
        stage.add(f"site-{number:03d}")
    wait_until(lambda: dashboard.parts.event_hub.newest_id > ALL, what="an event of each connection, and of one client")
    for path, (statements, size) in before.items():
        now = cost_of(dashboard, path)
        assert now[0] == statements and now[1] < size + 1000, path
        assert now[1] < MOST_BYTES, path
