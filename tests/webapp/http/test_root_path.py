"""A dashboard under a path: each address on a page, in a script or in a redirect stays below it, and works."""

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

import pytest

from tests.support.dashboard import Dashboard
from tests.support.lived_in import COMPLETED, QUEUED, lived_in
from tests.support.markup import Element, parse
from tests.webapp.http.test_security import calls
from webapp.app import create_app
from webapp.settings import Settings, asset

ROOT = "/lab/meadow"
NO_ADDRESSES = {"value", "title", "aria-label", "content", "placeholder", "data-title", "data-heading"}
"""Attributes with text; a form that sends ``value`` back as an address leads to a redirect."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with lived_in(tmp_path_factory.mktemp("shared"), root_path=ROOT) as made:
        note = {"note": '[the run before](/runs/1) and href="/runs/1"'}
        assert made.http.post(f"/api/runs/{QUEUED}/note", json=note).status_code == 200
        yield made


def addresses_of(page: Element) -> set[str]:
    """Return all addresses of this dashboard that a page or a part of it has, whatever the attribute."""
    values = [value or "" for one in page.all() for name, value in one.attributes.items() if name not in NO_ADDRESSES]
    return {value for value in values if re.match(r"/(?!/)", value)}


def parts_of(page: Element) -> set[tuple[str, str]]:
    """Return what htmx asks for: addresses, and the ids of elements."""
    return {(one["hx-get"] or "", one["id"] or "") for one in page.all(hx_get=True) if "id" in one}


def is_new(address: str, seen: set[str]) -> bool:
    """Say whether nothing of this kind was seen, whatever its ids and its query."""
    kind = re.sub(r"[0-9]+", "1", address.partition("?")[0])
    return not (kind in seen or seen.add(kind))  # type: ignore[func-returns-value]


def test_no_page_and_no_part_of_one_leads_out_of_the_path(shared: Dashboard) -> None:
    paths = {path for method, path in calls() if method == "GET" and not path.startswith("/api/")}
    more = (f"/runs/compare?id={COMPLETED}&id=2", f"/runs/delete?id={COMPLETED}", "/nothing", "/runs/99", "/api/runs")
    waiting, seen, pages = (
        [ROOT + path for path in (*sorted(paths), *more, "/runs/2", f"/runs/{QUEUED}")],
        set[str](),
        0,
    )
    while waiting:
        address = urldefrag(waiting.pop())[0]
        with shared.http.stream("GET", address) as answer:
            may_be_missing = re.search("/99|/(nothing|try|mlflow|data/wards)$|/openid", address)
            assert answer.status_code < 400 or may_be_missing, address
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            page = parse(answer.read().decode())
        trees = [page]
        for part, element in parts_of(page):
            htmx = {"HX-Request-Type": "partial", "HX-Target": f"div#{element}"}
            trees.append(parse(shared.http.get(part, headers=htmx).text))
        found = set[str]().union(*map(addresses_of, trees))
        assert {one for one in found if not one.startswith(f"{ROOT}/")} == set(), address
        named = [one.attributes.get(name) for tree in trees for one in tree.all() for name in ("href", "src")]
        links = {urljoin(address, link) for link in named if link}
        waiting += [link for link in sorted(links) if is_new(link, seen)]
        pages += 1
    assert pages >= 10 and f"{ROOT}/static/js/main.js" in seen


def test_a_proxy_may_take_the_path_away_or_pass_it_on(shared: Dashboard) -> None:
    for path in ("/", "/runs", f"/runs/{COMPLETED}", "/docs", "/openapi.json", "/static/css/base.css", "/healthz",
                 f"/api/runs/{COMPLETED}/rounds"):  # fmt: skip
        passed_on, taken_away = shared.http.get(ROOT + path), shared.http.get(path)
        assert (passed_on.status_code, taken_away.status_code) == (200, 200), path
        assert len(passed_on.content) == pytest.approx(len(taken_away.content), abs=100), path  # times differ
    assert shared.http.get(ROOT).status_code == 200
    assert shared.http.get(f"{ROOT}x/runs").status_code == 404
    assert shared.http.get(f"{ROOT}{ROOT}/runs").status_code == 404
    assert shared.http.get("/openapi.json").json()["servers"] == [{"url": ROOT}]
    assert "no-store" in shared.http.get(f"{ROOT}/api/runs").headers["cache-control"], "rules for paths hold"


def test_redirects_stay_below_the_path(shared: Dashboard) -> None:
    posted = shared.http.post(f"{ROOT}/runs/{COMPLETED}/rename", data={"name": "first"})
    assert posted.headers["location"].startswith(f"{ROOT}/runs/{COMPLETED}?flash=")
    slash = shared.http.get(f"{ROOT}/runs/", headers={"Host": "localhost"})
    assert (slash.status_code, slash.headers["location"]) == (307, f"{ROOT}/runs"), "as a path: https stays https"
    page = shared.http.get(f"{ROOT}/runs/compare?id={COMPLETED}").text
    assert f"{shared.http.base_url.copy_with(path=ROOT)}/runs/compare?id={COMPLETED}" in page, "the link to share"


def test_what_people_wrote_keeps_its_text(shared: Dashboard) -> None:
    page = parse(shared.http.get(f"/runs/{QUEUED}").text)
    assert [link["href"] for link in page.all("a") if link.text == "the run before"] == [f"{ROOT}/runs/1"]
    assert 'and href="/runs/1"' in page.text


def test_scripts_have_no_address_but_through_one_function() -> None:
    for script in asset("static").glob("js/**/*.js"):
        text = re.sub(r"/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
        assert re.findall(r"""(?<!atRoot\()["'`]/[a-z$][^"'`]*["'`]""", text) == [], script


@pytest.mark.parametrize("root_path", ["/runs", "/api/meadow", "/static", "/docs"])
def test_a_path_that_is_a_page_of_meadow_is_refused(root_path: str) -> None:
    with pytest.raises(ValueError, match=r"^--root-path: /"):
        create_app(Settings(root_path=root_path))
    create_app(Settings(root_path=f"/lab{root_path}"))


def test_the_page_of_an_internal_error_leads_below_the_path(shared: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("mistake")

    monkeypatch.setattr("webapp.routes.html.server.health", fail)
    monkeypatch.setattr(type(shared.parts.clients), "list", fail)
    alone = {"Connection": "close"}  # the server closes it after such an answer
    assert shared.http.get(f"{ROOT}/api/clients", headers=alone).headers["content-type"] == "application/problem+json"
    answer = shared.http.get(f"{ROOT}/server", headers=alone)
    assert answer.status_code == 500
    assert {one[: len(ROOT)] for one in addresses_of(parse(answer.text))} == {ROOT}
