"""People who read the same dashboard at the same time: each gets the own name, the own buttons, the own answers."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.dashboard import Dashboard
from tests.support.lived_in import COMPLETED, PAUSED, lived_in
from tests.support.markup import Element, parse
from tests.support.people import acting, add_person, cookie_of
from webapp.routes.policy import Need, need_of

ROLES = ("viewer", "operator", "admin")
PAGES = (
    "/", "/runs", f"/runs/{COMPLETED}", f"/runs/{PAUSED}", f"/runs/compare?id={COMPLETED}&id={PAUSED}", "/clients",
    "/clients/1", "/server", "/account", "/login",
)  # fmt: skip
FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#run-page"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with lived_in(tmp_path_factory.mktemp("shared"), admission="open") as dashboard:
        for role in reversed(ROLES):
            add_person(dashboard, f"{role}-person", role)
        yield dashboard


@pytest.fixture(scope="module")
def cookies(shared: Dashboard) -> dict[str, str]:
    return {role: cookie_of(shared, f"{role}-person") for role in ROLES}


def targets(page: Element) -> Iterator[tuple[str, str]]:
    """Give method and address of each link, form and button of a page that leads into the dashboard."""
    for link in page.all("a", href=True):
        yield "GET", link["href"] or ""
    for form in page.all("form"):
        method = (form.attributes.get("method") or "get").upper()
        yield method, form["action"] or ""
        for button in form.all("button", formaction=True):
            yield (button.attributes.get("formmethod") or method).upper(), button["formaction"] or ""
    for element in page.all(hx_get=True):
        yield "GET", element["hx-get"] or ""


@pytest.mark.parametrize("role", ROLES)
def test_no_page_offers_what_its_reader_may_not_do(shared: Dashboard, cookies: dict[str, str], role: str) -> None:
    order, offered = list(Need), set[tuple[str, str]]()
    with acting(shared, Cookie=cookies[role]) as http:
        for path in PAGES[:-1]:
            answer = http.get(path)
            assert answer.status_code == 200, path
            for method, address in targets(parse(answer.text)):
                if address.startswith("/"):
                    need = need_of(method, re.split(r"[?#]", address)[0])
                    assert need is not None, f"{path} leads to {method} {address}, which is not on the list"
                    assert order.index(need) <= order.index(Need(role)), f"{path} offers {method} {address}"
                    offered.add((method, address))
    if role == "viewer":
        posted = {address for method, address in offered if method == "POST"}
        assert posted == {"/logout", "/logout/everywhere", "/account/tokens"}
    else:
        assert {("POST", f"/runs/{PAUSED}/continue"), ("GET", f"/api/runs/{COMPLETED}/model")} <= offered
    assert (("GET", "/people") in offered) == (role == "admin")


def test_an_answer_made_for_one_is_never_given_to_another(shared: Dashboard, cookies: dict[str, str]) -> None:
    """Also where two people send equal cookies, as a proxy might make them: the key holds who they are."""

    def read(number: int) -> tuple[str, str, str]:
        role, path = ROLES[number % 3], f"/runs/{PAUSED}"
        with acting(shared, Cookie=cookies[role]) as http:
            fragment, page = http.get(path, headers=FRAGMENT), http.get(path)
        return role, fragment.text, page.text

    with ThreadPoolExecutor(6) as readers:
        for role, fragment, page in readers.map(read, range(24)):
            assert ("/continue" in fragment) == ("/continue" in page) == (role != "viewer")
            others = [f"{other}-person" for other in ROLES if other != role]
            assert f"{role}-person" in page and not any(name in page for name in others)


def test_one_session_whose_role_changes_gets_no_answer_of_its_earlier_role(shared: Dashboard) -> None:
    people, person = shared.parts.accounts.people, add_person(shared, "changing", "operator")
    with acting(shared, Cookie=cookie_of(shared, "changing")) as http:
        first = http.get(f"/runs/{PAUSED}", headers=FRAGMENT)
        assert "/continue" in first.text
        people.set_role(person, people.show(person).role.VIEWER)
        known = FRAGMENT | {"If-None-Match": first.headers["etag"]}
        second = http.get(f"/runs/{PAUSED}", headers=known)
        assert second.status_code == 200 and "/continue" not in second.text


def test_a_page_of_a_browser_without_a_session_leads_to_the_login_and_back(shared: Dashboard) -> None:
    with acting(shared, Accept="text/html") as http:
        assert http.get("/runs?q=a&sort=name").headers["location"] == "/login?next=/runs%3Fq%3Da%26sort%3Dname"
        assert http.get("/").headers["location"] == http.post("/runs/1/stop").headers["location"] == "/login"
        assert http.get("/api/runs").status_code == 401
        here = {"HX-Request": "true", "HX-Current-URL": f"{http.base_url}/runs/1?clients=1"}
        partial = http.get("/runs/1", headers=FRAGMENT | here)
        assert (partial.status_code, partial.headers["hx-redirect"]) == (401, "/login?next=/runs/1%3Fclients%3D1")
        login = http.get("/login?next=/runs/1").text
        assert "Flower server" not in login and "data-stream" not in login


def test_401_and_403_say_what_is_missing(shared: Dashboard, cookies: dict[str, str]) -> None:
    with acting(shared) as http:
        answer = http.get("/api/runs")
        assert answer.headers["www-authenticate"] == 'Bearer realm="Meadow"'
        assert answer.headers["content-type"] == "application/problem+json"
        assert http.get("/readyz").json() == {"ready": True, "reasons": []}
    with acting(shared, Cookie=cookies["viewer"]) as http:
        answer = http.post("/api/runs", content=b"{ no json")
        assert answer.status_code == 403, "refused before the body is read"
        refusal = "This needs the role operator; viewer-person has the role viewer. Nothing was changed."
        assert answer.json()["detail"] == refusal
        refresh = http.get("/runs/new", headers=FRAGMENT).headers["hx-refresh"]
        assert refresh == "true", "the refusal is shown as a page, and not put into the one that asked"
        page = http.get("/people")
        assert page.status_code == 403 and "Not allowed" in page.text
