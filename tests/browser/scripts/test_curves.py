"""static/js/charts/curves.js: what is appended, put into an overview, and fetched where rounds are left out."""

import json
import re
from collections.abc import Iterator
from math import inf, isnan
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Route

from tests.browser.scripts.conftest import ORIGIN, Scripts
from tests.support.processes import wait_until

COLUMNS = ("seconds", "work", "bytes", "mean", "least", "low", "high", "most", "reported_by", "samples")


def item(rounds: list[int], *, metric: str = "loss", odd: dict[int, str] | None = None) -> dict[str, Any]:
    """Return one metric of a response of the server: in each column a value that tells its round."""
    columns = {name: [None if r in (odd or {}) else 100 * r + i for r in rounds] for i, name in enumerate(COLUMNS)}
    return {
        "metric": metric,
        "rounds": rounds,
        **columns,
        "odd": odd or {},
        "clients": {"7": [float(r) for r in rounds]},
    }


AS_JSON = "const plain = (curve) => ({ ...curve, odd: [...curve.odd] });"


def test_a_response_becomes_a_curve_with_values_that_are_not_finite(scripts: Scripts) -> None:
    source = f"({{ fromResponse }}, item) => {{ {AS_JSON} return plain(fromResponse(item)); }}"
    curve = scripts.run("charts/curves.js", source, item([1, 2, 3], odd={1: "nan", 2: "inf", 3: "-inf"}))
    assert curve["odd"][1:] == [[2, inf], [3, -inf]]
    assert curve["odd"][0][0] == 1 and isnan(curve["odd"][0][1])
    assert curve["mean"] == [None, None, None]


def test_rounds_are_appended_to_each_column(scripts: Scripts) -> None:
    source = f"""({{ append, fromResponse }}, [first, next]) => {{
      {AS_JSON}
      const curve = fromResponse(first);
      append(curve, next);
      return plain(curve);
    }}"""
    later = item([3, 4], odd={4: "inf"}) | {"clients": {"7": [3.0, 4.0], "8": [1.0, 1.0]}}
    curve = scripts.run("charts/curves.js", source, [item([1, 2]), later])
    whole = item([1, 2, 3, 4], odd={4: "inf"})
    assert {name: curve[name] for name in ("rounds", *COLUMNS)} == {name: whole[name] for name in ("rounds", *COLUMNS)}
    assert curve["clients"] == {"7": [1.0, 2.0, 3.0, 4.0]}, "a client that the charts do not show is left out"
    assert curve["odd"] == [[4, inf]]


@pytest.mark.parametrize(
    ("overview", "detail", "expected"),
    [
        ([0, 10, 20, 30], [10, 11, 12], [0, 10, 11, 12, 20, 30]),
        ([0, 10, 20, 30], [12, 13], [0, 10, 12, 13, 20, 30]),
        ([0, 10, 20, 30], [0, 1, 2], [0, 1, 2, 10, 20, 30]),
        ([0, 10, 20, 30], [20, 25, 30], [0, 10, 20, 25, 30]),
        ([0, 10, 20, 30], list(range(31)), list(range(31))),
    ],
)
def test_detail_takes_the_place_of_its_range(
    scripts: Scripts, overview: list[int], detail: list[int], expected: list[int]
) -> None:
    source = f"""({{ fromResponse, withDetail }}, [overview, detail]) => {{
      {AS_JSON}
      return plain(withDetail(fromResponse(overview), fromResponse(detail)));
    }}"""
    curve = scripts.run("charts/curves.js", source, [item(overview, odd={0: "nan"}), item(detail, odd={0: "nan"})])
    whole = item(expected, odd={0: "nan"})
    assert {name: curve[name] for name in ("rounds", *COLUMNS)} == {name: whole[name] for name in ("rounds", *COLUMNS)}
    assert curve["clients"]["7"] == whole["clients"]["7"]


def test_a_client_without_detail_has_gaps_there(scripts: Scripts) -> None:
    source = """({ fromResponse, withDetail }, [overview, detail]) =>
      withDetail(fromResponse(overview), fromResponse(detail)).clients"""
    detail = item([10, 11]) | {"clients": {}}
    assert scripts.run("charts/curves.js", source, [item([0, 10, 20]), detail]) == {"7": [0.0, None, None, 20.0]}


@pytest.mark.parametrize(
    ("zoom", "expected"),
    [
        ((12, 18), {"first": 10, "last": 20}),
        ((10, 20), {"first": 10, "last": 30}),
        ((-50, 500), {"first": 0, "last": 30}),
        ((20.5, 22), {"first": 20, "last": 30}),
        ((0, 3), None),
        ((0.2, 0.4), None),
    ],
)
def test_rounds_that_the_overview_leaves_out_are_found(
    scripts: Scripts, zoom: tuple[float, float], expected: dict[str, int] | None
) -> None:
    source = "({ missingRounds }, [rounds, min, max]) => missingRounds({ rounds }, 'rounds', { min, max })"
    rounds = [0, 1, 2, 3, 4, 5, 10, 20, 30]
    assert scripts.run("charts/curves.js", source, [rounds, *zoom]) == expected


@pytest.fixture
def requests(scripts: Scripts) -> Iterator[list[dict[str, list[str]]]]:
    """Answers for run 1: rounds 0 to 40, of which the overview has each tenth; run 2 has no others. The queries."""
    queries: list[dict[str, list[str]]] = []

    def answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        queries.append(query)
        after, last = int(query["after"][0]), int(query.get("last", ["40"])[0])
        step = 1 if "last" in query or after >= 0 else 10
        rounds = [r for r in range(0, last + 1, step) if r > after]
        items = [item(rounds, metric=metric) for metric in query["metric"]]
        thinned = step > 1 and "/runs/1/" in route.request.url
        route.fulfill(body=json.dumps({"items": items, "last_round": last, "total": len(rounds), "thinned": thinned}))

    pattern = re.compile(rf"{ORIGIN}/api/runs/\d+/series")
    scripts.page.route(pattern, answer)
    yield queries
    scripts.page.unroute(pattern)


def test_charts_of_a_page_ask_together_and_a_zoom_brings_the_rounds_between(
    scripts: Scripts, requests: list[dict[str, list[str]]]
) -> None:
    scripts.run(
        "charts/curves.js",
        """({ Curves }) => {
          const curves = window.curves = Curves.of(1, "evaluate");
          window.seen = {};
          for (const metric of ["loss", "accuracy"]) {
            curves.subscribe(metric, ({ rounds }, first) => { window.seen[metric] = [rounds.slice(), first]; });
          }
        }""",
    )
    wait_until(lambda: len(scripts.page.evaluate("Object.keys(window.seen)")) == 2, what="both curves")
    assert [query["metric"] for query in requests] == [["loss", "accuracy"]]
    assert scripts.page.evaluate("window.seen.loss") == [[0, 10, 20, 30, 40], 0]

    scripts.page.evaluate("curves.showRange('rounds', { min: 12, max: 18 })")
    detailed = [0, *range(10, 21), 30, 40]
    wait_until(lambda: scripts.page.evaluate("window.seen.loss[0]") == detailed, what="the rounds between")
    assert (requests[-1]["after"], requests[-1]["last"]) == (["9"], ["20"])

    scripts.page.evaluate("curves.showRange('rounds', null)")
    assert scripts.page.evaluate("window.seen.accuracy") == [[0, 10, 20, 30, 40], 0]
    assert len(requests) == 2, "the overview is still there"


def test_a_zoom_asks_for_no_rounds_where_the_server_sent_all_that_were_evaluated(
    scripts: Scripts, requests: list[dict[str, list[str]]]
) -> None:
    source = """({ Curves }) => new Promise((told) => {
      const curves = Curves.of(2, "evaluate");
      curves.subscribe("loss", () => { curves.showRange("rounds", { min: 12, max: 18 }); told([curves.detail]); });
    })"""
    assert scripts.run("charts/curves.js", source) == [None]
    assert len(requests) == 1
