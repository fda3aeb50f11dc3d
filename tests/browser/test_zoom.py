"""A long run, of which charts draw a downsampled overview: a zoom loads the rounds that it lacks, live ones come."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from benchmarks.long_run import let_it_run, make_long_run
from tests.browser.conftest import OpenPage, url_of
from tests.browser.test_charts import drag, scale
from tests.support.books import done, reply
from tests.support.dashboard import Dashboard, running
from tests.support.processes import wait_until

ROUNDS = 4200


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose run 1 has more rounds than a chart draws, and goes on."""
    folder = tmp_path_factory.mktemp("long")
    make_long_run(folder / "data", ROUNDS, 2)
    with running(folder) as dashboard:
        with dashboard.parts.database.write() as session:
            let_it_run(session, 1)
        yield dashboard


def drawn(page: Page, metric: str = "accuracy") -> list[int]:
    rounds: list[int] = page.evaluate(f"document.querySelector('meadow-chart[metric={metric}]').curve?.rounds ?? []")
    return rounds


def commit(dashboard: Dashboard, number: int) -> None:
    for client_id in (1, 2):
        dashboard.parts.runs.record(
            replace(reply(1, number, client_id, "evaluate", accuracy=0.9, loss=0.4), round=number)
        )
    dashboard.parts.runs.record(done(1, number, accuracy=0.9, loss=0.4))


def test_a_zoom_loads_the_rounds_that_the_overview_lacks(long: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(long)}/runs/1?lines=2")
    expect(page.locator("meadow-chart canvas")).to_have_count(2)
    said = page.locator("meadow-chart[metric=accuracy] [data-part=thinned]")
    expect(said).to_have_text(re.compile(rf"of 4,{ROUNDS + 1 - 4000} rounds drawn; zoom in to see all"))
    overview = drawn(page)
    assert len(overview) < 2010
    asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/series?')).length"
    assert page.evaluate(asked) == 1, "what the page asks for in its head is what the charts ask for"

    drag(page)
    zoomed = scale(page)
    inside = set(range(int(zoomed[0]), int(zoomed[1]) + 1))
    assert len(inside) > 1000 and not inside <= set(overview)
    wait_until(lambda: inside <= set(drawn(page)) & set(drawn(page, "loss")), what="every round of the range")
    expect(said).to_be_hidden()
    assert scale(page) == scale(page, "loss") == zoomed
    expect(page.get_by_role("checkbox", name="client-01")).to_be_checked()
    assert page.evaluate("document.querySelector('meadow-chart').curve.clients[2].every((value) => value > 0)")

    for number in (ROUNDS + 1, ROUNDS + 2):
        commit(long, number)
    wait_until(lambda: drawn(page)[-1:] == [ROUNDS + 2], what="two rounds more")
    assert drawn(page) == sorted(inside | set(drawn(page)))
    assert scale(page) == zoomed

    page.get_by_role("button", name="Reset zoom").click()
    wait_until(lambda: drawn(page) == [*overview, ROUNDS + 1, ROUNDS + 2], what="the overview, and what came since")
    expect(page).to_have_url(re.compile(r"/runs/1\?lines=2$"))
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    page.go_back()
    wait_until(lambda: scale(page) == zoomed and inside <= set(drawn(page)), what="back leads to the zoom")
    page.reload()
    wait_until(lambda: inside <= set(drawn(page)), what="so does its address")
    assert scale(page) == zoomed
