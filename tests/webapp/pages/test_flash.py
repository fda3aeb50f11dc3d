"""Flash messages: shown once, by the page that follows the action and by no other."""

from urllib.parse import parse_qs, urlsplit

from tests.support.dashboard import Dashboard
from tests.support.markup import flash_of, get_fragment, get_page
from webapp.pages.flash import MAX_WAITING, Flash, Flashes


def renamed(dashboard: Dashboard, name: str) -> str:
    """Rename the first client; return the address that the answer redirects to."""
    answer = dashboard.http.post("/clients/1/rename", data={"name": name})
    assert answer.status_code == 303
    return answer.headers["location"]


def test_a_message_is_taken_once_and_by_its_token_alone() -> None:
    flashes = Flashes()
    first, second = flashes.put(Flash("first")), flashes.put(Flash("second"))
    assert flashes.take(second) == Flash("second")
    assert flashes.take(second) is None
    assert flashes.take("") is flashes.take(f"{first}x") is None
    assert flashes.take(first) == Flash("first")


def test_a_message_that_no_page_takes_grows_old_and_many_push_out_the_oldest() -> None:
    flashes = Flashes(max_age_seconds=0)
    assert flashes.take(flashes.put(Flash("old"))) is None
    flashes = Flashes()
    tokens = [flashes.put(Flash(str(number))) for number in range(MAX_WAITING + 1)]
    assert flashes.take(tokens[0]) is None
    assert [flashes.take(tokens[place]) for place in (1, -1)] == [Flash("1"), Flash(str(MAX_WAITING))]


def test_a_page_shows_its_message_once_as_text(dashboard: Dashboard) -> None:
    name = "<img src=x onerror=alert(1)>"
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
    address = renamed(dashboard, name)
    assert "img" not in address, "the redirect names a token alone"
    page = get_page(dashboard.http, address)
    assert flash_of(page) == f"The client was renamed to {name}. The client reports the name site-a."
    assert not page.all("img")
    assert not flash_of(get_page(dashboard.http, address)), "a reload and a way back show it no more"


def test_tabs_and_parts_of_pages_leave_the_messages_of_others_alone(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        dashboard.wait_for_clients(1)
    one, other = renamed(dashboard, "harbour"), renamed(dashboard, "port")
    assert not flash_of(get_page(dashboard.http, "/clients/1"))
    assert not flash_of(get_fragment(dashboard.http, one, "client-page")), "a part of the page does not use it up"
    assert flash_of(get_page(dashboard.http, other)).startswith("The client was renamed to port.")
    assert flash_of(get_page(dashboard.http, one)).startswith("The client was renamed to harbour.")


def test_no_address_makes_a_page_say_something(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run()
    answer = dashboard.http.post(f"/runs/{run_id}/stop", data={"back": "//elsewhere.example/"})
    assert urlsplit(answer.headers["location"])[:3] == ("", "", f"/runs/{run_id}"), "only to a page of our own"
    assert set(parse_qs(urlsplit(answer.headers["location"]).query)) == {"flash"}
    for query in ("flash=The+run+was+stopped", "flash=", "done=stop", "done=demo&of=1&count=2"):
        assert not flash_of(get_page(dashboard.http, f"/runs/{run_id}?{query}"))
        assert not flash_of(get_page(dashboard.http, f"/?{query}"))
