"""Every field of every form and every JSON body with values of every type and size: a refusal or an effect, no error.

The forms are those of the pages, the bodies those of the API's description, so that a new field is met, too.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from federation.run.states import ENDED
from tests.support.dashboard import Dashboard
from tests.support.lived_in import COMPLETED, PAUSED, QUEUED, lived_in
from tests.support.markup import Element, parse
from tests.support.odd_values import MISSING, VALUES, places, put, sampled
from tests.support.people import add_person, cookie_of
from tests.support.unharmed import PAGES, check_log, check_pages

OTHER_PERSON = 2
JSON = {"content-type": "application/json"}
TEXTS = [value for value in VALUES if isinstance(value, str)] + [
    MISSING, "-1", "0", "1.5", "1e999", "NaN", "null", "true", "[]", "{}", "9" * 400, b"\xff\xfe".decode("latin-1"),
]  # fmt: skip
PAGES_WITH_FORMS = (
    *PAGES[:-1], "/clients/1", "/clients/1/revoke", "/runs?state=ended", f"/runs/compare?id={COMPLETED}&id={PAUSED}",
    *(f"/runs/{run_id}{page}" for run_id in (COMPLETED, PAUSED, QUEUED) for page in ("", "/notes", "/stop")),
    f"/runs/delete?id={COMPLETED}", f"/runs/new?from={COMPLETED}",
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with lived_in(tmp_path_factory.mktemp("odd")) as made:
        yield made


def fits(answer: httpx.Response) -> bool:
    """No answer is an error of ours; a refusal of the API says what is wrong."""
    if answer.status_code < 400:
        return True
    said = answer.headers["content-type"]
    return answer.status_code < 500 and said.startswith(("text/html", "application/problem+json"))


def remove_run(dashboard: Dashboard, run_id: int) -> None:
    """Cancel a run that an odd value has queued, or started where others have ended, and delete it."""
    assert dashboard.http.post(f"/api/runs/{run_id}/stop").status_code in (202, 409)
    dashboard.wait_for_state(run_id, *ENDED)
    assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204


def bodies_of(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return the address, the schema and a good body of each call that takes JSON."""
    shared_ = description["components"]["schemas"]
    for path, operations in description["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" in content:
            named = shared_[content["application/json"]["schema"]["$ref"].rpartition("/")[2]]
            good = {name: one["examples"][0] for name, one in named["properties"].items() if one.get("examples")}
            good |= {} if named.get("required") else {"clients": None}
            address = path.format(run_id=PAUSED, client_id=1, user_id=OTHER_PERSON)
            yield address, {**named, "$defs": shared_}, good


Form = tuple[str, str, dict[str, str]]
"""Method, address, and the fields with the values that the page has for them."""


def forms_of(page: Element) -> Iterator[Form]:
    """Return each form of a page, once for each of its buttons that has an address of its own."""
    for form in page.all("form"):
        mine = [form, *form.all(), *(page.all(form=form["id"]) if "id" in form else [])]
        fields = {one["name"] or "": one.attributes.get("value") or "" for one in mine if "name" in one}
        for one in mine:
            if (address := one.attributes.get("formaction") or one.attributes.get("action")) is not None:
                yield (one.attributes.get("formmethod") or form.attributes.get("method") or "get"), address, fields


def all_forms(dashboard: Dashboard) -> list[Form]:
    """Return every form of every page; those that end or delete something come last."""
    found: dict[tuple[str, str, str], Form] = {}
    for path in PAGES_WITH_FORMS:
        for method, address, fields in forms_of(parse(dashboard.http.get(path).text)):
            found[method, address, " ".join(sorted(fields))] = (method, address, fields)
    return sorted(found.values(), key=lambda form: form[1].endswith(("/stop", "/delete", "/archive", "/revoke")))


def send(dashboard: Dashboard, method: str, address: str, fields: dict[str, Any]) -> httpx.Response:
    """Send a form as a browser does; a field with no value of its own is taken out."""
    pairs = urlencode({name: value for name, value in fields.items() if value is not MISSING}, errors="surrogatepass")
    if method == "get":
        return dashboard.http.get(f"{address}?{pairs[:60_000]}")
    return dashboard.http.post(address, content=pairs, headers={"content-type": "application/x-www-form-urlencoded"})


@pytest.mark.slow
def test_no_value_in_any_field_of_a_form_is_an_error(shared: Dashboard, caplog: pytest.LogCaptureFixture) -> None:
    cases = [
        (method, address, {**fields, name: value})
        for method, address, fields in all_forms(shared)
        for name in [*fields, "more"]
        for value in TEXTS
    ]
    played = sampled(cases, 61)
    for method, address, fields in played:
        answer = send(shared, method, address, fields)
        assert fits(answer), (method, address, answer.status_code, answer.text)
        if method == "post" and answer.status_code == 303:
            check_pages(shared, answer.headers["location"])
            if address == "/runs":
                remove_run(shared, int(answer.headers["location"].rpartition("/")[2]))
    check_log(caplog)
    print(f"\n{len(played)} forms")


@pytest.mark.slow
def test_no_value_in_any_field_of_a_body_is_an_error(shared: Dashboard, caplog: pytest.LogCaptureFixture) -> None:
    """As an admin, and last in this file: the first account ends what needs no sign-in."""
    admin, other = (add_person(shared, name) for name in ("ada", "grace"))
    assert (admin, other) == (1, OTHER_PERSON)
    shared.http.headers["Cookie"] = cookie_of(shared, "ada")
    description = shared.http.get("/openapi.json").json()
    cases = [
        (path, put(good, place, value))
        for path, schema, good in bodies_of(description)
        for place in places(schema)
        for value in VALUES
    ]
    cases += [(path, value) for path, _, _ in bodies_of(description) for value in VALUES if value is not MISSING]
    played = sampled(cases, 13)
    for path, body in played:
        answer = shared.http.post(path, content=json.dumps(body), headers=JSON)
        assert fits(answer), (path, body, answer.status_code, answer.text)
        if answer.status_code == 201 and path == "/api/runs":
            check_pages(shared, f"/runs/{answer.json()['id']}")
            remove_run(shared, answer.json()["id"])
        elif answer.status_code < 400:
            check_pages(shared, f"/runs/{PAUSED}")
    check_log(caplog)
    print(f"\n{len(played)} bodies")
